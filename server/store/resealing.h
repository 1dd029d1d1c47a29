// What it takes to seal with another key: every row that holds something made with the old one.
#pragma once

#include <string>

#include "store/database.h"
#include "store/key_ring.h"
#include "store/sqlite_store.h"

namespace fetchd::store {

/// The id of the key with which all is sealed and fingerprinted; empty when that is not known of
/// all, as before the first start, in the middle of SealAnew, or after a version that sealed less.
absl::StatusOr<std::string> LoadSealedWith(Database& database);

/// Those of SqliteConfig.
struct ResealingCalls {
  SqliteConfig::OnSealingAnew tell;
  SqliteConfig::StopAsked stop_asked;
};

/// Seals what is stored with the first of `keys`, which open it, and makes the fingerprints of
/// requests anew: with those of another key, a request that is sent again would be refused as
/// another one under the same id. What an earlier version kept in clear (signatures in URLs) is
/// sealed on the way.
///  * In transactions of some hundred rows: a crash loses one of them, and the next start begins
///    again. Old contents are overwritten in the file.
///  * A row that is damaged stays as it is, and keeps needing its key.
///  * CANCELLED between two of them when it is asked to stop: as after a crash.
/// Blocks; before the database is used.
absl::Status SealAnew(Database& database, const KeyRing& keys, const ResealingCalls& calls);

}  // namespace fetchd::store
