// Limits that several processes keep together, in memory: each has its own door to them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "jobs/allotment_store.h"
#include "jobs/fair_shares.h"

namespace fetchd::testing {

/// As store/allotments.h, without a database. One thread.
class MemoryAllotments {
 public:
  explicit MemoryAllotments(const Clock& clock) : clock_(clock) {}

  class Door final : public jobs::AllotmentStore {
   public:
    Door(MemoryAllotments& table, std::string name) : table_(table), name_(std::move(name)) {}
    Task<absl::StatusOr<jobs::Allotted>> Allot(std::vector<jobs::AllotmentAsk> asks,
                                               std::uint64_t lease) override {
      ++calls;
      asked = asks;
      if (away) co_return absl::UnavailableError("no database");
      const bool lasts = table_.clock_.Now() < lease_.until;
      if (!lasts || lease != lease_.number) co_return absl::UnavailableError("no such lease");
      co_return table_.Allot(name_, asks);
    }
    jobs::Lease lease() const override { return lease_; }
    Task<absl::Status> Announce(std::vector<jobs::CoolDown> cool_downs) override {
      if (away) co_return absl::UnavailableError("no database");
      for (jobs::CoolDown& one : cool_downs) {
        one.until = (table_.clock_.Now() + one.left).time_since_epoch().count();
        table_.cool_downs_.emplace_back(name_, std::move(one));
      }
      table_.TellOthers(name_);
      co_return absl::OkStatus();
    }
    Task<absl::StatusOr<std::vector<jobs::CoolDown>>> CoolDowns() override {
      if (away) co_return absl::UnavailableError("no database");
      co_return table_.CoolDownsFor(name_);
    }
    void OnNews(std::function<void()> callback) override { news_ = std::move(callback); }

    void Renew(Duration lease) {
      const SteadyTime now = table_.clock_.Now();
      if (now >= lease_.until) ++lease_.number;
      lease_.until = now + lease;
    }
    void Tell() {
      if (news_) news_();
    }

    bool away = false;
    int calls = 0;
    std::vector<jobs::AllotmentAsk> asked;  ///< Last.

   private:
    friend class MemoryAllotments;
    MemoryAllotments& table_;
    const std::string name_;
    jobs::Lease lease_;
    std::function<void()> news_;
  };

  Door& AddReplica(Duration lease) {
    const std::string name(1, static_cast<char>('a' + doors_.size()));
    Door& door = *doors_.emplace(name, std::make_unique<Door>(*this, name)).first->second;
    door.Renew(lease);
    return door;
  }
  /// Of all that have a lease.
  std::int64_t SumOf(const std::string& key) {
    std::int64_t sum = 0;
    for (const auto& [name, standing] : rows_[key]) sum += Lives(name) ? standing.slots : 0;
    return sum;
  }
  /// As if another process had so many, and wanted so many.
  void Put(const std::string& key, const std::string& replica, jobs::Standing standing) {
    rows_[key][replica] = standing;
  }
  bool Has(const std::string& key, const std::string& replica) {
    return rows_[key].contains(replica);
  }

 private:
  bool Lives(const std::string& name) const {
    const auto door = doors_.find(name);
    return door == doors_.end() || clock_.Now() < door->second->lease_.until;
  }

  jobs::Allotted Allot(const std::string& name, const std::vector<jobs::AllotmentAsk>& asks) {
    jobs::Allotted allotted;
    allotted.replicas = 0;
    for (const auto& door : doors_) allotted.replicas += Lives(door.first) ? 1 : 0;
    bool changed = false;
    for (const jobs::AllotmentAsk& ask : asks) {
      auto& row = rows_[ask.key];
      const jobs::Standing before = row[name];
      row[name] = {ask.kept, ask.wanted};
      std::vector<jobs::Standing> all;
      std::size_t me = 0;
      for (const auto& [replica, standing] : row) {
        if (replica == name) me = all.size();
        if (Lives(replica)) all.push_back(standing);
      }
      const jobs::Division division = jobs::Divide(ask.limit, all, me, 0);
      row[name].slots = division.take;
      changed = changed || division.take < before.slots ||
                (division.contended && ask.wanted > before.wanted);
      allotted.allotments.push_back({ask.key, division.take, division.keep, division.contended});
      if (division.take == 0 && ask.wanted == 0) row.erase(name);
    }
    if (changed) TellOthers(name);
    return allotted;
  }

  void TellOthers(const std::string& name) {
    for (const auto& [replica, door] : doors_) {
      if (replica != name) door->Tell();
    }
  }
  std::vector<jobs::CoolDown> CoolDownsFor(const std::string& name) {
    std::vector<jobs::CoolDown> heard;
    for (const auto& [replica, one] : cool_downs_) {
      const Duration left = Duration(one.until) - clock_.Now().time_since_epoch();
      if (replica == name || left <= Duration::zero()) continue;
      heard.push_back(one);
      heard.back().left = left;
    }
    return heard;
  }

  const Clock& clock_;
  std::map<std::string, std::unique_ptr<Door>> doors_;
  std::map<std::string, std::map<std::string, jobs::Standing>> rows_;
  std::vector<std::pair<std::string, jobs::CoolDown>> cool_downs_;
};

}  // namespace fetchd::testing
