#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/strings.h"
#include "net/resolver.h"

namespace fetchd::net {

namespace {

using Answer = absl::StatusOr<Resolution>;

/// One lookup that several wait for. The caller that began it carries it out; when that one gives
/// up (cancelled, out of time), `answer` stays empty and one of those who wait begins anew.
struct Flight {
  explicit Flight(const asio::any_io_executor& executor)
      : landed(executor, asio::steady_timer::time_point::max()) {}

  std::optional<Answer> answer;
  asio::steady_timer landed;  ///< Never expires by itself; brought forward at the end.
};

class CachingResolver final : public Resolver {
 public:
  CachingResolver(asio::any_io_executor executor, Clock& clock, ResolverConfig config,
                  std::unique_ptr<Resolver> upstream)
      : executor_(std::move(executor)),
        clock_(clock),
        config_(std::move(config)),
        upstream_(std::move(upstream)) {}

  Task<Answer> Resolve(std::string host, Deadline deadline) override;

 private:
  struct Entry {
    std::string host;
    Answer answer;
    SteadyTime fresh_until;
  };
  class Lead;

  std::optional<Answer> Cached(const std::string& host);
  void Remember(const std::string& host, const Answer& answer);
  static Task<Answer> AwaitLanding(std::shared_ptr<Flight> flight);

  const asio::any_io_executor executor_;
  Clock& clock_;
  const ResolverConfig config_;
  const std::unique_ptr<Resolver> upstream_;
  std::list<Entry> entries_;  ///< Most recently used first.
  std::unordered_map<std::string, std::list<Entry>::iterator> by_host_;
  std::unordered_map<std::string, std::shared_ptr<Flight>> flights_;
};

/// Held by the caller that carries out the lookup; its end wakes the others, however it comes.
class CachingResolver::Lead {
 public:
  Lead(CachingResolver& resolver, std::string host)
      : resolver_(resolver),
        host_(std::move(host)),
        flight_(std::make_shared<Flight>(resolver.executor_)) {
    resolver_.flights_.emplace(host_, flight_);
  }
  ~Lead() {
    resolver_.flights_.erase(host_);
    flight_->landed.expires_at(asio::steady_timer::time_point::min());
  }
  Lead(const Lead&) = delete;
  Lead& operator=(const Lead&) = delete;

  void Land(const Answer& answer) { flight_->answer = answer; }

 private:
  CachingResolver& resolver_;
  const std::string host_;
  const std::shared_ptr<Flight> flight_;
};

/// True for what holds for every caller, and not for the one that asked alone.
bool IsCommon(const Answer& answer) {
  return !absl::IsDeadlineExceeded(answer.status()) && !absl::IsCancelled(answer.status());
}

Task<Answer> CachingResolver::Resolve(std::string host, Deadline deadline) {
  while (true) {
    if (std::optional<Answer> cached = Cached(host)) co_return *std::move(cached);
    const auto found = flights_.find(host);
    if (found == flights_.end()) break;
    const std::shared_ptr<Flight> flight = found->second;
    Answer answer = co_await WithDeadline(clock_, deadline, Concat("DNS timed out: ", host),
                                          AwaitLanding(flight));
    if (flight->answer) co_return *flight->answer;
    if (!answer.ok() && absl::IsDeadlineExceeded(answer.status())) co_return answer;
  }
  Lead lead(*this, host);
  Answer answer = co_await upstream_->Resolve(host, deadline);
  Remember(host, answer);
  if (IsCommon(answer)) lead.Land(answer);
  co_return answer;
}

Task<Answer> CachingResolver::AwaitLanding(std::shared_ptr<Flight> flight) {
  co_await flight->landed.async_wait(kTuple);
  co_return absl::CancelledError("the caller that carried out the lookup gave up");
}

std::optional<Answer> CachingResolver::Cached(const std::string& host) {
  const auto found = by_host_.find(host);
  if (found == by_host_.end()) return std::nullopt;
  if (found->second->fresh_until <= clock_.Now()) {
    entries_.erase(found->second);
    by_host_.erase(found);
    return std::nullopt;
  }
  entries_.splice(entries_.begin(), entries_, found->second);
  Answer answer = entries_.front().answer;
  if (answer.ok()) answer->cached = true;
  return answer;
}

void CachingResolver::Remember(const std::string& host, const Answer& answer) {
  if (!answer.ok() && !absl::IsNotFound(answer.status())) return;
  const Duration ttl = answer.ok() ? std::clamp(answer->ttl, config_.min_ttl, config_.max_ttl)
                                   : config_.negative_ttl;
  if (const auto found = by_host_.find(host); found != by_host_.end()) {
    entries_.erase(found->second);
    by_host_.erase(found);
  }
  entries_.push_front({host, answer, clock_.Now() + ttl});
  by_host_.emplace(host, entries_.begin());
  if (entries_.size() > config_.max_entries) {
    by_host_.erase(entries_.back().host);
    entries_.pop_back();
  }
}

}  // namespace

std::unique_ptr<Resolver> MakeCachingResolver(asio::any_io_executor executor, Clock& clock,
                                              ResolverConfig config,
                                              std::unique_ptr<Resolver> upstream) {
  return std::make_unique<CachingResolver>(std::move(executor), clock, std::move(config),
                                           std::move(upstream));
}

}  // namespace fetchd::net
