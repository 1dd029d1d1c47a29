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

/// With an answer at hand that is past its time, upstream has this long (RFC 8767 5: the client
/// response timer)...
constexpr Duration kPatienceWithStale = std::chrono::milliseconds(1800);
/// ... and when it failed, it is not asked again for this long (the failure recheck timer).
constexpr Duration kRecheckAfterFailure = std::chrono::seconds(30);

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
    SteadyTime stale_until;  ///< From fresh_until on it serves only when upstream fails.
  };
  class Lead;

  std::optional<Answer> Cached(const std::string& host);
  Task<Answer> LookUp(std::string host, Deadline deadline);
  std::optional<Entry> StaleEntry(const std::string& host);
  Entry FreshEntry(const std::string& host, const Answer& answer) const;
  void Remember(Entry entry);
  void Forget(const std::string& host);
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
  Answer answer = co_await LookUp(host, deadline);
  if (IsCommon(answer)) lead.Land(answer);
  co_return answer;
}

Task<Answer> CachingResolver::LookUp(std::string host, Deadline deadline) {
  std::optional<Entry> stale = StaleEntry(host);
  const Deadline patience = stale ? Deadline::After(clock_, kPatienceWithStale) : Deadline::Never();
  Answer answer = co_await upstream_->Resolve(host, deadline.Min(patience));
  if (answer.ok() || absl::IsNotFound(answer.status())) {
    Remember(FreshEntry(host, answer));
    co_return answer;
  }
  if (!stale || absl::IsCancelled(answer.status())) co_return answer;
  // The haste of one caller says nothing of the servers: it gets its error, and nobody else an
  // answer that is past its time.
  if (absl::IsDeadlineExceeded(answer.status()) && !patience.Passed(clock_)) co_return answer;
  stale->fresh_until = std::min(clock_.Now() + kRecheckAfterFailure, stale->stale_until);
  stale->answer->cached = true;
  answer = stale->answer;
  Remember(*std::move(stale));
  co_return answer;
}

Task<Answer> CachingResolver::AwaitLanding(std::shared_ptr<Flight> flight) {
  co_await flight->landed.async_wait(kTuple);
  co_return absl::CancelledError("the caller that carried out the lookup gave up");
}

std::optional<Answer> CachingResolver::Cached(const std::string& host) {
  const auto found = by_host_.find(host);
  if (found == by_host_.end()) return std::nullopt;
  if (found->second->fresh_until <= clock_.Now()) return std::nullopt;
  entries_.splice(entries_.begin(), entries_, found->second);
  Answer answer = entries_.front().answer;
  if (answer.ok()) answer->cached = true;
  return answer;
}

/// A copy: while upstream is asked, the entry may have to make room.
std::optional<CachingResolver::Entry> CachingResolver::StaleEntry(const std::string& host) {
  const auto found = by_host_.find(host);
  if (found == by_host_.end()) return std::nullopt;
  const Entry& entry = *found->second;
  if (entry.answer.ok() && clock_.Now() < entry.stale_until) return entry;
  Forget(host);
  return std::nullopt;
}

CachingResolver::Entry CachingResolver::FreshEntry(const std::string& host,
                                                   const Answer& answer) const {
  const Duration ttl = answer.ok() ? std::clamp(answer->ttl, config_.min_ttl, config_.max_ttl)
                                   : config_.negative_ttl;
  const SteadyTime fresh_until = clock_.Now() + ttl;
  return {host, answer, fresh_until, fresh_until + config_.stale_if_error};
}

void CachingResolver::Remember(Entry entry) {
  Forget(entry.host);
  entries_.push_front(std::move(entry));
  by_host_.emplace(entries_.front().host, entries_.begin());
  if (entries_.size() > config_.max_entries) Forget(std::string(entries_.back().host));
}

void CachingResolver::Forget(const std::string& host) {
  const auto found = by_host_.find(host);
  if (found == by_host_.end()) return;
  entries_.erase(found->second);
  by_host_.erase(found);
}

}  // namespace

std::unique_ptr<Resolver> MakeCachingResolver(asio::any_io_executor executor, Clock& clock,
                                              ResolverConfig config,
                                              std::unique_ptr<Resolver> upstream) {
  return std::make_unique<CachingResolver>(std::move(executor), clock, std::move(config),
                                           std::move(upstream));
}

}  // namespace fetchd::net
