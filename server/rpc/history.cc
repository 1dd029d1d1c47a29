#include "rpc/history.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <boost/json.hpp>

#include "rpc/convert_time.h"

namespace fetchd::rpc {
namespace {

using google::protobuf::util::TimeUtil;

HistorySample SampleBetween(const Figures& before, const Figures& now) {
  http::Dials dials = now.dials;
  dials -= before.dials;
  const std::chrono::duration<double> seconds = now.at - before.at;
  HistorySample sample{.at = now.wall,
                       .in_flight = now.dials.in_flight,
                       .transfers = now.transfers,
                       .loop_lag = now.loop_lag};
  if (seconds.count() > 0) {
    const auto bytes = static_cast<double>(now.received_bytes - before.received_bytes);
    sample.bytes_per_sec = bytes / seconds.count();
  }
  if (dials.requests > 0) {
    sample.reuse_ratio = dials.reuse_ratio();
    sample.retry_ratio = dials.retry_ratio();
  }
  if (dials.pool_wait.count() > 0) sample.pool_wait_mean = dials.pool_wait.mean();
  return sample;
}

Figures ReadFigures(const ServerDeps& deps) {
  const fetch::EngineStats engine = deps.engine.Stats();
  Figures figures{.at = deps.clock.Now(),
                  .wall = deps.clock.WallNow(),
                  .received_bytes = engine.received_bytes,
                  .dials = deps.client.Stats().dials,
                  .transfers = engine.transfers_in_use};
  for (const runtime::LoopLagMonitor::Lag& lag : deps.loop_lag.Read()) {
    figures.loop_lag = std::max(figures.loop_lag, lag.last);
  }
  return figures;
}

boost::json::object SampleJson(const HistorySample& sample) {
  boost::json::object out;
  out["time"] = TimeUtil::ToString(ToProto(sample.at));
  out["bytesPerSec"] = sample.bytes_per_sec;
  if (sample.reuse_ratio) out["connectionReuseRatio"] = *sample.reuse_ratio;
  if (sample.retry_ratio) out["retryRatio"] = *sample.retry_ratio;
  if (sample.pool_wait_mean)
    out["poolWaitMean"] = TimeUtil::ToString(ToProto(*sample.pool_wait_mean));
  out["inFlight"] = sample.in_flight;
  out["transfers"] = sample.transfers;
  out["loopLag"] = TimeUtil::ToString(ToProto(sample.loop_lag));
  return out;
}

}  // namespace

std::string HistoryJson(const std::vector<HistorySample>& samples) {
  boost::json::array list;
  for (const HistorySample& sample : samples) list.push_back(SampleJson(sample));
  boost::json::object out;
  out["interval"] = TimeUtil::ToString(ToProto(History::kInterval));
  out["capacity"] = History::kCapacity;
  out["samples"] = std::move(list);
  return boost::json::serialize(out);
}

void History::Add(const Figures& figures) {
  const std::lock_guard lock(mutex_);
  if (last_) samples_.push_back(SampleBetween(*last_, figures));
  if (samples_.size() > kCapacity) samples_.pop_front();
  last_ = figures;
}

std::vector<HistorySample> History::samples() const {
  const std::lock_guard lock(mutex_);
  return {samples_.begin(), samples_.end()};
}

Task<absl::Status> KeepHistory(const ServerDeps& deps, History& history) {
  while (true) {
    history.Add(ReadFigures(deps));
    co_await deps.clock.SleepFor(History::kInterval);
  }
}

}  // namespace fetchd::rpc
