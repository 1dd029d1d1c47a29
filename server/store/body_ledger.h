// What is stored at which destination, by which job: a row for each, which the last job there owns.
// Where several processes write, rows and sums are written at the end of the transaction: two that
// fill one destination at once would each take away what was there before both.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "jobs/job.h"
#include "store/database.h"
#include "store/transaction.h"

namespace fetchd::store {

/// Of a job that has ended with a result: its bodies count for its tenant now, and not for those
/// whose bodies they replaced.
absl::Status CountBodies(Transaction& transaction, const jobs::Job& job);
/// Of a job that is deleted.
absl::Status UncountBodies(Transaction& transaction, const std::string& id);

/// By tenant, as a count finds them; on PostgreSQL they are rows.
absl::StatusOr<std::map<std::string, std::uint64_t>> LoadStoredBytes(Database& database);

}  // namespace fetchd::store
