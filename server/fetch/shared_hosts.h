// Limits on connections to a host that several processes keep together.
#pragma once

#include <atomic>
#include <cstddef>
#include <string>
#include <vector>

#include "fetch/allotments.h"
#include "http/host_budget.h"

namespace fetchd::fetch {

/// What the HTTP client's budget is allotted, and what the engine may begin by that. Thread-safe.
/// Made before the client, and outlives it.
class SharedHosts final : public http::HostAllotments, public AllotmentUser {
 public:
  explicit SharedHosts(Allotments& allotments) : allotments_(allotments) {}
  /// Before anything else is asked of it; null: it is gone.
  void Serve(http::HostBudget* budget) { budget_ = budget; }

  std::size_t Of(const Origin& host, std::size_t limit) override;
  void Want(const Origin& host, std::size_t limit) override;
  void GaveBack(const Origin& host) override;

  void AddUses(std::vector<SharedUse>& uses) override;
  void Reconsider(const std::string& key) override;

  /// Of `jobs` that would begin with an origin so many may: none while this process has no
  /// connection to have, and no more than would soon have one, so that others take them that have.
  std::size_t JobsFor(const Origin& origin, std::size_t jobs);
  /// More connections are open to it than are allotted by now.
  bool IsCrowded(const Origin& origin) const;

 private:
  Allotments& allotments_;
  std::atomic<http::HostBudget*> budget_{nullptr};
};

}  // namespace fetchd::fetch
