// Figures that are asked for often, as of the last commit, and who wants to hear of commits.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>

#include "jobs/store.h"
#include "store/census.h"
#include "store/database.h"
#include "store/transaction.h"

namespace fetchd::store {

/// Thread-safe. Owner: the store.
class Figures {
 public:
  Figures(jobs::StoreStats stats, std::int64_t last_sequence)
      : stats_(std::move(stats)), last_sequence_(last_sequence) {}

  /// On the writer's thread, after a commit.
  void Publish(const Effects& effects);
  /// Of what another process committed: the newest event, and whether anything else changed.
  void PublishOthers(std::int64_t last_sequence, bool batch_changed);

  jobs::StoreStats stats() const {
    const std::lock_guard lock(stats_mutex_);
    return stats_;
  }
  std::uint64_t StoredBytes(const std::string& tenant) const {
    const std::lock_guard lock(stats_mutex_);
    const auto entry = stats_.stored_bytes.find(tenant);
    return entry == stats_.stored_bytes.end() ? 0 : entry->second;
  }
  std::int64_t last_sequence() const { return last_sequence_.load(std::memory_order_acquire); }

  std::uint64_t AddListener(std::function<void()> listener) {
    const std::lock_guard lock(listeners_mutex_);
    listeners_.emplace(++last_listener_, std::move(listener));
    return last_listener_;
  }
  void RemoveListener(std::uint64_t id) {
    const std::lock_guard lock(listeners_mutex_);
    listeners_.erase(id);
  }

 private:
  void Count(const Census::Move& move);   ///< Under stats_mutex_.
  bool AdvanceTo(std::int64_t sequence);  ///< False: it was there already.
  void Call();

  mutable std::mutex stats_mutex_;
  jobs::StoreStats stats_;  // Guarded by stats_mutex_; holds every state.
  std::atomic<std::int64_t> last_sequence_;
  std::mutex listeners_mutex_;  // Held while they are called: so removal waits for them.
  std::map<std::uint64_t, std::function<void()>> listeners_;
  std::uint64_t last_listener_ = 0;
};

/// As a count finds them, when the store is opened.
absl::StatusOr<jobs::StoreStats> LoadStats(Database& database);
absl::StatusOr<std::int64_t> LoadLastSequence(Database& database);
/// Of PostgreSQL, where they are rows: jobs by state, and what each tenant has.
absl::Status LoadCounts(Database& database, jobs::StoreStats& stats);
/// Likewise: what a tenant has, as committed.
absl::StatusOr<Census::Loaded> LoadTenant(Database& database, const std::string& tenant);

}  // namespace fetchd::store
