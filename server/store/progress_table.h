// How far transfers are, for other processes to tell.
#pragma once

#include <string>
#include <vector>

#include "jobs/store.h"
#include "store/database.h"

namespace fetchd::store {

/// One row a replica, {"<job>": [received, total or null, bytes a second], ...}; gone with a crash
/// of the server.
absl::Status SaveProgress(Database& database, const std::string& replica,
                          const std::vector<jobs::RunningProgress>& here);
/// Of all replicas that said something within the last seconds.
absl::StatusOr<std::vector<jobs::RunningProgress>> LoadProgress(Database& database);

}  // namespace fetchd::store
