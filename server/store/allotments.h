// What each process may use of the limits that all keep together, and whom they leave alone, on
// PostgreSQL.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "jobs/allotment_store.h"
#include "runtime/blocking_pool.h"
#include "store/database.h"
#include "store/replicas.h"

namespace fetchd::store {

class PostgresSession;

/// With what notifications of others begin; their id follows.
inline constexpr std::string_view kAllotmentNews = "allotments ";

/// What is asked of the database with each look, by keys as a JSON list: who has what, and wants.
extern const char kStandings[];

/// Two statements a hundred keys, each a transaction of its own: a look at what the others have and
/// want, from which follows what would be fair (jobs/fair_shares.h), and a function of the database
/// that gives as much of it as there is at that moment. So the sum holds whatever was seen before.
/// On a connection of its own, which nobody else waits for.
class PostgresAllotments final : public jobs::AllotmentStore {
 public:
  /// References outlive it.
  struct Deps {
    std::function<absl::StatusOr<std::unique_ptr<PostgresSession>>()> connect;
    const ReplicaName& name;
    LeaseTime lease;
    runtime::BlockingPool& pool;
  };
  explicit PostgresAllotments(Deps deps) : deps_(std::move(deps)) {}

  Task<absl::StatusOr<jobs::Allotted>> Allot(std::vector<jobs::AllotmentAsk> asks,
                                             std::uint64_t lease) override;
  jobs::Lease lease() const override { return deps_.name.lease(); }
  Task<absl::Status> Announce(std::vector<jobs::CoolDown> cool_downs) override;
  Task<absl::StatusOr<std::vector<jobs::CoolDown>>> CoolDowns() override;
  void OnNews(std::function<void()> callback) override;
  /// There are such news.
  void Tell();

 private:
  absl::StatusOr<jobs::Allotted> AllotNow(const std::vector<jobs::AllotmentAsk>& asks,
                                          std::uint64_t lease);
  absl::Status AnnounceNow(const std::vector<jobs::CoolDown>& cool_downs);
  absl::StatusOr<std::vector<jobs::CoolDown>> CoolDownsNow();
  absl::Status Connect();

  const Deps deps_;
  const std::string lock_name_ = ReplicaName::Random();
  std::mutex call_mutex_;               // Held by each call while it asks.
  std::unique_ptr<Database> database_;  // Null: not connected. Guarded by call_mutex_.
  std::mutex news_mutex_;               // Held while the callback runs.
  std::function<void()> on_news_;       // Guarded by news_mutex_.
};

}  // namespace fetchd::store
