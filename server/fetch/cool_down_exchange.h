// Whom processes leave alone, told to one another.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "base/task.h"
#include "base/time.h"
#include "base/url.h"
#include "fetch/origin_pacer.h"
#include "fetch/wake_event.h"
#include "jobs/allotment_store.h"

namespace fetchd::fetch {

/// Announces what this process's origins asked of it, and has the pacer take over what others
/// heard, each once: at once when there are news, and with each round, for news may be lost.
/// Without the store each process has its own. Thread-safe; Run() is one task on `executor`.
class CoolDownExchange {
 public:
  static constexpr Duration kRound = std::chrono::seconds(3);
  /// Between two calls of the store: what is heard meanwhile goes into one.
  static constexpr Duration kGap = std::chrono::milliseconds(10);

  CoolDownExchange(asio::any_io_executor executor, Clock& clock, jobs::AllotmentStore& store,
                   UrlOptions url)
      : clock_(clock), store_(store), url_(url), wake_(std::move(executor)) {}

  /// Before Run(); it outlives that.
  void Serve(OriginPacer& pacer) { pacer_ = &pacer; }
  Task<absl::Status> Run();
  void Stop();  ///< Thread-safe.
  void News();  ///< Others may have announced something. Thread-safe.
  /// An origin is left alone here. Cheap, from any thread.
  void Announce(const Origin& origin, bool circuit, Duration left);

 private:
  using Key = std::pair<std::string, bool>;  ///< Origin, circuit.

  Task<void> Tell();
  Task<void> Hear();

  Clock& clock_;
  jobs::AllotmentStore& store_;
  const UrlOptions url_;
  OriginPacer* pacer_ = nullptr;
  WakeEvent wake_;
  std::atomic<bool> stopping_{false}, news_{false};
  std::map<Key, std::int64_t> heard_;  ///< Of Run(): CoolDown::until of those that were taken over.

  std::mutex mutex_;                  ///< Guards all below.
  std::map<Key, SteadyTime> untold_;  ///< Until when.
};

}  // namespace fetchd::fetch
