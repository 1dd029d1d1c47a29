// What counts as stored for a tenant, and what is said when that is all it may have.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "jobs/job.h"

namespace fetchd::jobs {

/// At how many destinations it may yet leave a body: none, when it discards it. Those that an
/// earlier attempt filled have theirs.
std::size_t PlacesLeft(const Job& job);

/// The destinations, absolute, that hold the body of this result.
std::vector<std::string> StoredAt(const Result& result);

/// RESOURCE_EXHAUSTED, reason TENANT_STORAGE_FULL: a tenant has `stored_bytes` of `max_bytes`, and
/// a body does not fit.
absl::Status TenantStorageFull(const std::string& tenant, std::uint64_t stored_bytes,
                               std::uint64_t max_bytes);

}  // namespace fetchd::jobs
