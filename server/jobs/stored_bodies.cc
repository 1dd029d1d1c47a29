#include "jobs/stored_bodies.h"

#include <algorithm>
#include <string_view>

#include "base/strings.h"

namespace fetchd::jobs {
namespace {

constexpr std::string_view kDiscard = "discard:";

}  // namespace

std::size_t PlacesLeft(const Job& job) {
  const auto more = std::ranges::count_if(
      job.more_destinations,
      [](const MoreDestination& destination) { return destination.resolved != kDiscard; });
  const std::size_t places = (job.destination == kDiscard ? 0 : 1) + static_cast<std::size_t>(more);
  const std::size_t filled = job.result ? StoredAt(*job.result).size() : 0;
  return places - std::min(places, filled);
}

std::vector<std::string> StoredAt(const Result& result) {
  std::vector<std::string> places;
  if (result.not_modified) return places;
  if (result.deliveries.empty()) places.push_back(result.destination);
  for (const Delivery& delivery : result.deliveries) {
    if (delivery.error.ok()) places.push_back(delivery.destination);
  }
  std::erase_if(places,
                [](const std::string& place) { return place.empty() || place == kDiscard; });
  return places;
}

absl::Status TenantStorageFull(const std::string& tenant, std::uint64_t stored_bytes,
                               std::uint64_t max_bytes) {
  const std::string why =
      Concat("tenant ", tenant, " has stored ", stored_bytes, " of the ", max_bytes,
             " bytes that tenants.", tenant, ".max_stored_bytes allows: this body does not fit");
  absl::Status full =
      WithReason(absl::ResourceExhaustedError(
                     why + "; remove others and delete the jobs that brought them, or raise it"),
                 {"TENANT_STORAGE_FULL",
                  {{"tenant", tenant},
                   {"stored_bytes", Concat(stored_bytes)},
                   {"max_stored_bytes", Concat(max_bytes)}}});
  return WithQuota(std::move(full), {"tenant:" + tenant, why});
}

}  // namespace fetchd::jobs
