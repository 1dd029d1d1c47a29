// Lists of jobs and of events: filters as SQL, and page tokens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "jobs/store.h"
#include "store/database.h"
#include "store/job_table.h"

namespace fetchd::store {

/// Jobs that match, newest first, `page_size` clamped to 1..1000 (0 = 50). INVALID_ARGUMENT when
/// `page_token` is not one that an earlier page of the same filter returned. Pages follow the ids,
/// which sort by creation: a job made or changed meanwhile neither repeats nor hides another.
absl::StatusOr<jobs::JobPage> ListJobs(Database& database, const JobTable& table,
                                       const jobs::JobFilter& filter, int page_size,
                                       const std::string& page_token);

/// Events after `after` that match, oldest first, `limit` clamped to 1..10000. `filter.states`
/// looks at the event's state, all else at the job, also at one that is deleted.
absl::StatusOr<std::vector<jobs::JobEvent>> ListEvents(Database& database, const JobTable& table,
                                                       std::int64_t after,
                                                       const jobs::JobFilter& filter, int limit);

/// As jobs::Store's.
absl::StatusOr<std::vector<jobs::ClaimId>> LostClaims(Database& database,
                                                      const std::vector<jobs::ClaimId>& claims);

}  // namespace fetchd::store
