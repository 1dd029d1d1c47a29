// The keys under which a database's credentials are sealed and its requests recognised.
#pragma once

#include <filesystem>

#include "store/database.h"
#include "store/key_ring.h"
#include "store/resealing.h"
#include "store/sqlite_store.h"

namespace fetchd::store {

/// A key file. NOT_FOUND when it does not exist; FAILED_PRECONDITION when others than its owner may
/// do anything with it, or when it holds no keys (KeyRing::Parse).
absl::StatusOr<KeyRing> ReadKeyFile(const std::filesystem::path& path);
/// Makes a random key and its file, mode 0600, durable.
absl::StatusOr<KeyRing> CreateKeyFile(const std::filesystem::path& path);

/// The keys of `config`, or of its key file, which is made when there is none.
/// FAILED_PRECONDITION when credentials are stored that none of them opens: found out now, not when
/// the first job runs. When the first is another one than before, all that is stored is sealed with
/// it (store/resealing.h) before this returns. Blocks; before the database is used.
absl::StatusOr<KeyRing> OpenKeys(Database& database, const SqliteConfig& config);

/// The same for keys that are shared with other processes, which may have sealed with another first
/// key since. `source` is where an operator looks for them.
absl::Status AdoptSharedKeys(Database& database, const KeyRing& keys, const std::string& source,
                             const ResealingCalls& calls);

}  // namespace fetchd::store
