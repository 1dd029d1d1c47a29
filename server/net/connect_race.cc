#include "net/connect_race.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "net/error.h"

namespace fetchd::net {

namespace {

using asio::ip::tcp;
using boost::system::error_code;

constexpr Duration kAttemptDelay = std::chrono::milliseconds(250);
/// Sockets that one connect may hold: a name with many silent addresses must not use up
/// descriptors.
constexpr std::size_t kMaxPending = 4;
/// What a silent address has at least before it is given up for the next one.
constexpr Duration kPatience = kMaxPending * kAttemptDelay;

struct Runner {
  Runner(const asio::any_io_executor& executor, tcp::endpoint to, SteadyTime at, Permit extra)
      : spare(std::move(extra)), socket(executor), endpoint(std::move(to)), began(at) {}
  Permit spare;  ///< Empty for the socket that the race holds by right.
  tcp::socket socket;
  tcp::endpoint endpoint;
  SteadyTime began;
  std::optional<error_code> ended;
  Duration took{};
};

/// Shared with the pending connects, which complete after the race was left.
struct Track {
  explicit Track(const asio::any_io_executor& executor) : event(executor) { Rearm(); }
  void Rearm() { event.expires_at(asio::steady_timer::time_point::max()); }
  void Signal() { event.expires_at(asio::steady_timer::time_point::min()); }

  std::vector<std::unique_ptr<Runner>> runners;
  asio::steady_timer event;  ///< Expires when a runner has ended.
};

/// The peer is the address judged, and not this very socket: a connect to a free port of this host
/// may meet itself (simultaneous open).
error_code CheckPeer(const tcp::socket& socket, const tcp::endpoint& endpoint) {
  error_code error;
  const tcp::endpoint peer = socket.remote_endpoint(error);
  if (error) return error;
  const tcp::endpoint local = socket.local_endpoint(error);
  if (error) return error;
  if (peer != endpoint || local == endpoint) return asio::error::connection_refused;
  return {};
}

class Race {
 public:
  Race(asio::any_io_executor executor, Clock& clock, std::vector<tcp::endpoint> endpoints)
      : executor_(std::move(executor)),
        clock_(clock),
        endpoints_(std::move(endpoints)),
        track_(std::make_shared<Track>(executor_)) {}
  ~Race() {
    for (const auto& runner : track_->runners) Close(*runner);
  }
  Race(const Race&) = delete;
  Race& operator=(const Race&) = delete;

  Task<ConnectResult> Run(Deadline deadline) {
    StartNext();
    while (true) {
      track_->Rearm();
      if (Runner* winner = Winner()) co_return Finish(winner, false);
      const bool all_started = track_->runners.size() == endpoints_.size();
      if (Pending() == 0 && all_started) co_return Finish(nullptr, false);
      const SteadyTime now = clock_.Now();
      if (deadline.Passed(now)) co_return Finish(nullptr, true);
      if (!all_started && (LatestEnded() || now >= next_at_) && MakeWay(now)) {
        StartNext();
        continue;
      }
      const SteadyTime wake = all_started ? deadline.at() : std::min(next_at_, deadline.at());
      co_await NextEvent(wake);
    }
  }

 private:
  static void Close(Runner& runner) {
    error_code ignored;  // A connect given up: nothing is lost with it.
    runner.socket.close(ignored);
    runner.spare.Release();
  }

  /// True when another socket may be opened now; else `next_at_` says when to ask again.
  bool MakeWay(SteadyTime now) {
    if (Pending() == 0) return true;
    if (Pending() < kMaxPending) spare_ = SpareSockets().TryAcquire(1);
    if (spare_) return true;
    Runner& oldest = Oldest();
    next_at_ = oldest.began + kPatience;
    if (now < next_at_) return false;
    spare_ = std::move(oldest.spare);
    GiveUp(oldest, now);
    return true;
  }

  void StartNext() {
    const SteadyTime now = clock_.Now();
    next_at_ = now + kAttemptDelay;
    const tcp::endpoint endpoint = endpoints_[track_->runners.size()];
    track_->runners.push_back(
        std::make_unique<Runner>(executor_, endpoint, now, std::move(spare_)));
    Runner* runner = track_->runners.back().get();
    error_code error;
    runner->socket.open(endpoint.protocol(), error);
    if (error) {
      runner->ended = error;
      runner->spare.Release();
      return;
    }
    runner->socket.async_connect(
        endpoint, [track = track_, runner, &clock = clock_](const error_code& ended) {
          if (!runner->socket.is_open()) return;  // The race is over.
          runner->ended = ended ? ended : CheckPeer(runner->socket, runner->endpoint);
          runner->took = clock.Now() - runner->began;
          if (*runner->ended) Close(*runner);
          track->Signal();
        });
  }

  /// Of those pending; there is one.
  Runner& Oldest() {
    return **std::ranges::find_if(track_->runners, [](const auto& r) { return !r->ended; });
  }

  static void GiveUp(Runner& runner, SteadyTime now) {
    Close(runner);
    runner.ended = asio::error::timed_out;
    runner.took = now - runner.began;
  }

  Runner* Winner() {
    for (const auto& runner : track_->runners) {
      if (runner->ended && !*runner->ended) return runner.get();
      if (runner->ended) last_error_ = *runner->ended;
    }
    return nullptr;
  }

  bool LatestEnded() const { return track_->runners.back()->ended.has_value(); }

  std::size_t Pending() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(track_->runners, [](const auto& r) { return !r->ended; }));
  }

  Task<void> NextEvent(SteadyTime wake) {
    if (wake == SteadyTime::max()) {
      co_await Expiry(track_->event);
    } else {
      co_await FirstOf(Expiry(track_->event), clock_.SleepUntil(wake));
    }
  }

  ConnectResult Finish(Runner* winner, bool deadline_passed) {
    ConnectResult result{winner != nullptr ? std::move(winner->socket) : tcp::socket(executor_)};
    if (winner != nullptr) {
      result.peer = winner->endpoint;
    } else {
      result.error = deadline_passed ? asio::error::timed_out : last_error_;
    }
    result.deadline_passed = deadline_passed;
    const SteadyTime now = clock_.Now();
    for (const auto& runner : track_->runners) {
      const std::string running = deadline_passed ? "timed out" : "abandoned";
      const Duration took = runner->ended ? runner->took : Duration(now - runner->began);
      result.tries.push_back({runner->endpoint,
                              runner->ended ? ConnectOutcome(*runner->ended) : running, took,
                              runner->ended ? runner->ended->failed() : took >= kAttemptDelay});
    }
    return result;
  }

  const asio::any_io_executor executor_;
  Clock& clock_;
  const std::vector<tcp::endpoint> endpoints_;
  const std::shared_ptr<Track> track_;
  SteadyTime next_at_;
  Permit spare_;  ///< For the next socket.
  error_code last_error_;
};

}  // namespace

Semaphore& SpareSockets() {
  // Never destroyed: at exit some race may still hold a permit of it.
  static auto& spare = *new Semaphore(kSpareSockets);
  return spare;
}

Task<ConnectResult> RaceToConnect(asio::any_io_executor executor, Clock& clock,
                                  std::vector<tcp::endpoint> endpoints, Deadline deadline) {
  Race race(std::move(executor), clock, std::move(endpoints));
  co_return co_await race.Run(deadline);
}

std::vector<asio::ip::address> InterleaveFamilies(std::vector<asio::ip::address> addresses) {
  std::vector<asio::ip::address> six, four, ordered;
  for (const asio::ip::address& each : addresses) (each.is_v6() ? six : four).push_back(each);
  for (std::size_t i = 0; i < std::max(six.size(), four.size()); ++i) {
    if (i < six.size()) ordered.push_back(six[i]);
    if (i < four.size()) ordered.push_back(four[i]);
  }
  return ordered;
}

}  // namespace fetchd::net
