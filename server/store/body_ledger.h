// What is stored at which destination, by which job: a row for each, which the last job there owns.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "jobs/job.h"
#include "store/database.h"
#include "store/writer.h"

namespace fetchd::store {

/// Of a job that has ended with a result: its bodies count for its tenant now, and not for those
/// whose bodies they replaced.
absl::Status CountBodies(Transaction& transaction, const jobs::Job& job);
/// Of a job that is deleted.
absl::Status UncountBodies(Transaction& transaction, const std::string& id);

/// By tenant, as a count finds them.
absl::StatusOr<std::map<std::string, std::uint64_t>> LoadStoredBytes(Database& database);

}  // namespace fetchd::store
