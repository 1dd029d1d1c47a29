// The last hour of the figures that tell how the server is doing.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/task.h"
#include "base/time.h"
#include "fetch/engine.h"
#include "rpc/context.h"

namespace fetchd::rpc {

/// What had been counted at one time, and what was so then.
struct Figures {
  SteadyTime at;
  WallTime wall;
  std::uint64_t received_bytes = 0;  ///< Since the start.
  http::Dials dials;
  std::uint64_t transfers = 0;  ///< At work.
  Duration loop_lag{};          ///< The worst shard's.
};

/// What happened between two of these.
struct HistorySample {
  WallTime at;  ///< Its end.
  double bytes_per_sec = 0;
  std::optional<double> reuse_ratio, retry_ratio;  ///< Absent: there was no request.
  std::optional<Duration> pool_wait_mean;          ///< Likewise.
  std::uint64_t in_flight = 0, transfers = 0;
  Duration loop_lag{};
};

/// Thread-safe; one thread adds. Owner: Server.
class History {
 public:
  static constexpr Duration kInterval = std::chrono::seconds(10);
  static constexpr std::size_t kCapacity = 360;

  /// The first one only says where it begins.
  void Add(const Figures& figures);
  std::vector<HistorySample> samples() const;  ///< Oldest first.

 private:
  mutable std::mutex mutex_;
  std::optional<Figures> last_;  ///< Guarded by mutex_, as is what follows.
  std::deque<HistorySample> samples_;
};

/// {"interval": "10s", "capacity": 360, "samples": [{"time": "...", "bytesPerSec": 1.5, ...}]}: as
/// protobuf would write it.
std::string HistoryJson(const std::vector<HistorySample>& samples);

/// Adds to `history` for as long as it is let. On any shard.
Task<absl::Status> KeepHistory(const ServerDeps& deps, History& history);

}  // namespace fetchd::rpc
