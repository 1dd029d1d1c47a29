#include "net/failed_addresses.h"

#include <iterator>
#include <utility>

namespace fetchd::net {

void FailedAddresses::Failed(const Endpoint& endpoint) {
  Reached(endpoint);
  entries_.push_back({endpoint, clock_.Now() + kRemembered});
  by_endpoint_.emplace(endpoint, std::prev(entries_.end()));
  if (entries_.size() > max_entries_) Reached(Endpoint(entries_.front().endpoint));
}

void FailedAddresses::Reached(const Endpoint& endpoint) {
  const auto found = by_endpoint_.find(endpoint);
  if (found == by_endpoint_.end()) return;
  entries_.erase(found->second);
  by_endpoint_.erase(found);
}

void FailedAddresses::PutLast(std::vector<Endpoint>& endpoints) {
  ForgetExpired();
  std::vector<Endpoint> ordered, failed;
  for (const Endpoint& each : endpoints) {
    (by_endpoint_.contains(each) ? failed : ordered).push_back(each);
  }
  ordered.insert(ordered.end(), failed.begin(), failed.end());
  endpoints = std::move(ordered);
}

void FailedAddresses::ForgetExpired() {
  const SteadyTime now = clock_.Now();
  while (!entries_.empty() && entries_.front().until <= now) {
    by_endpoint_.erase(entries_.front().endpoint);
    entries_.pop_front();
  }
}

}  // namespace fetchd::net
