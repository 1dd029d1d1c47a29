// The key under which a database's credentials are sealed and its requests recognised.
#pragma once

#include <filesystem>

#include "store/database.h"
#include "store/sealer.h"

namespace fetchd::store {

/// Reads the key file; makes one when there is none. FAILED_PRECONDITION when it is not the key of
/// the credentials that are stored: found out now, not when the first job runs. Without any,
/// another key is adopted. Blocks; before the database is used.
absl::StatusOr<Sealer> OpenKey(Database& database, const std::filesystem::path& path);

}  // namespace fetchd::store
