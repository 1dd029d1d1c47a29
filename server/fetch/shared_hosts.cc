#include "fetch/shared_hosts.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"

namespace fetchd::fetch {
namespace {

constexpr std::string_view kPrefix = "host ";
/// Jobs in line for connections: so many of each, and so many at least. Streams of HTTP/2 need
/// none.
constexpr std::size_t kJobsEach = 4, kLeastJobs = 16;

std::string KeyOf(const Origin& host) { return Concat(kPrefix, host.host, ':', host.port); }

}  // namespace

std::size_t SharedHosts::Of(const Origin& host, std::size_t limit) {
  return allotments_.Of(KeyOf(host), limit);
}

void SharedHosts::Want(const Origin& host, std::size_t limit) {
  allotments_.Want(KeyOf(host), limit, 1);
}

void SharedHosts::GaveBack(const Origin& host) { allotments_.GaveBack(KeyOf(host)); }

void SharedHosts::AddUses(std::vector<SharedUse>& uses) {
  const http::HostBudget& budget = *budget_.load(std::memory_order_acquire);
  for (const http::HostBudget::HostCounts& host : budget.Hosts()) {
    if (host.use != http::Use::kOrigins) continue;
    const std::uint64_t busy = host.open - std::min(host.open, host.idle);
    uses.push_back({KeyOf(host.origin), budget.LimitOf(host.origin),
                    static_cast<std::size_t>(host.open),
                    static_cast<std::size_t>(busy + host.waiting)});
  }
}

void SharedHosts::Reconsider(const std::string& key) {
  if (!key.starts_with(kPrefix)) return;
  const std::size_t colon = key.rfind(':');
  const auto port = ParseDecimal(std::string_view(key).substr(colon + 1));
  Origin host;
  host.host = key.substr(kPrefix.size(), colon - kPrefix.size());
  host.port = static_cast<std::uint16_t>(*port);
  budget_.load(std::memory_order_acquire)->Reconsider(host);
}

std::size_t SharedHosts::JobsFor(const Origin& origin, std::size_t jobs) {
  const http::HostBudget* const budget = budget_.load(std::memory_order_acquire);
  if (jobs == 0 || budget == nullptr || !allotments_.Last()) return 0;
  const std::string key = KeyOf(origin);
  const std::size_t limit = budget->LimitOf(origin);
  const std::size_t slots = allotments_.Of(key, limit);
  if (slots == 0) {
    // How many jobs there are nobody knows.
    allotments_.Want(key, limit, limit);
    return 0;
  }
  const std::size_t in_line = std::max(kJobsEach * slots, kLeastJobs);
  const auto waiting = static_cast<std::size_t>(budget->WaitingFor(origin));
  return std::min(jobs, in_line - std::min(in_line, waiting));
}

bool SharedHosts::IsCrowded(const Origin& origin) const {
  const http::HostBudget* const budget = budget_.load(std::memory_order_acquire);
  return budget != nullptr && budget->IsCrowded(origin);
}

}  // namespace fetchd::fetch
