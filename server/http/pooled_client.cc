#include "http/pooled_client.h"

#include <utility>

#include "base/strings.h"

namespace fetchd::http {
namespace {

/// A stale connection is met once; a server that refuses streams gets another chance or two.
constexpr int kMaxRedials = 3;

/// Holds the connection until the body has ended.
class LeasedBody final : public Body {
 public:
  explicit LeasedBody(Lease lease) : lease_(std::move(lease)) {}

  Task<absl::StatusOr<std::size_t>> Read(std::span<std::byte> out) override {
    if (!lease_) co_return failed_.ok() ? absl::StatusOr<std::size_t>(0) : failed_;
    Channel& channel = lease_->channel();
    absl::StatusOr<std::size_t> read = channel.TakeBuffered(out);
    if (read.ok() && *read == 0 && !channel.at_end()) read = co_await channel.ReadBody(out);
    if (!read.ok()) {
      failed_ = read.status();
      lease_.reset();
    } else if (channel.at_end()) {
      // Whoever takes the last bytes frees the connection: nobody has to read once more for the
      // end.
      trailers_ = channel.TakeTrailers();
      std::move(*lease_).Recycle();
      lease_.reset();
    }
    co_return read;
  }

  std::size_t Buffered() const override { return lease_ ? lease_->channel().Available() : 0; }
  const Headers& Trailers() const override { return trailers_; }

  Task<void> Discard() override {
    if (!lease_) co_return;
    Lease lease = *std::exchange(lease_, std::nullopt);
    co_await std::move(lease).ReadOut();
  }

 private:
  Headers trailers_;
  std::optional<Lease> lease_;  ///< Empty once the body has ended or failed.
  absl::Status failed_;
};

std::unique_ptr<Body> MakeBody(Lease lease) {
  if (!lease.channel().at_end()) return std::make_unique<LeasedBody>(std::move(lease));
  std::move(lease).Recycle();
  return std::make_unique<EmptyBody>();
}

/// A reused connection may have been closed by the server at the moment we wrote; nothing was
/// answered, and idempotent requests may be sent again (RFC 9110 9.2.2). So may any that the server
/// says it did not process (RFC 9113 8.7).
bool MayRedial(const absl::Status& failure, const Lease& lease, const Request& request) {
  const Channel& channel = lease.channel();
  const bool stale = lease.reused() && channel.silent() && request.method != "POST";
  return absl::IsUnavailable(failure) && (stale || channel.unprocessed());
}

/// The length of the body: of the one that follows, or that GET would bring.
std::optional<std::uint64_t> LengthOf(const Request& request, const ResponseHead& head,
                                      const Framing& framing) {
  if (request.method == "HEAD") {
    return ParseDecimal<std::uint64_t>(head.headers.Get("Content-Length"));
  }
  if (framing.mode == BodyMode::kFixed) return framing.length;
  return framing.mode == BodyMode::kNone ? std::optional<std::uint64_t>(0) : std::nullopt;
}

}  // namespace

/// Keeps the record of an exchange. One that is cancelled gets the phase in which that was, and how
/// long this phase had taken.
class PooledClient::Recording {
 public:
  Recording(const Clock& clock, ExchangeRecord& record) : clock_(clock), record_(record) {
    record_.begun_at = clock_.Now();
  }
  ~Recording() {
    if (!finished_) CutShort();
  }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  ExchangeRecord& record() { return record_; }
  void Dialling() {
    phase_began_ = clock_.Now();
    exchanging_ = false;
  }
  void Exchanging() {
    phase_began_ = clock_.Now();
    exchanging_ = true;
    if (!record_.served_at) record_.served_at = phase_began_;
  }
  void Finish() { finished_ = true; }

 private:
  void CutShort() {
    const SteadyTime now = clock_.Now();
    if (!record_.served_at) {
      record_.failed_phase = Phase::kPoolWait;
      record_.pool_wait = now - record_.begun_at;
    } else if (exchanging_) {
      record_.failed_phase = Phase::kFirstByte;
      record_.first_byte = now - *phase_began_;
    } else {
      net::DialRecord& dial = record_.dial;
      record_.failed_phase = dial.failed_phase;
      const Duration took = now - phase_began_.value_or(*record_.served_at);
      TimeOf(dial.failed_phase, dial) = took - dial.dns - dial.connect - dial.tls - dial.proxy;
    }
  }

  static Duration& TimeOf(Phase phase, net::DialRecord& dial) {
    if (phase == Phase::kResolve) return dial.dns;
    if (phase == Phase::kProxy) return dial.proxy;
    return phase == Phase::kTls ? dial.tls : dial.connect;
  }

  const Clock& clock_;
  ExchangeRecord& record_;
  std::optional<SteadyTime> phase_began_;
  bool exchanging_ = false;
  bool finished_ = false;
};

/// What the request leaves open is what the rules say of its origin. Returns the way to it.
absl::StatusOr<net::ProxyPtr> PooledClient::ApplyRules(Request& request) const {
  if (rules_.empty() && routes_.empty() && request.proxy.empty()) return nullptr;
  const OriginRule rule = rules_.For(request.url.origin());
  if (request.tls_profile.empty()) request.tls_profile = rule.tls_profile.value_or("");
  return routes_.Choose(request.url.origin(), request.proxy, rule);
}

/// Null: the dialer's own.
const std::shared_ptr<const egress::Policy>& PooledClient::PolicyOf(const Request& request) const {
  static const std::shared_ptr<const egress::Policy> kDialersOwn;
  if (request.subject == nullptr) return kDialersOwn;
  const auto& policy =
      pool_.use() == Use::kOrigins ? request.subject->policy : request.subject->store_policy;
  return policy.get() == own_policy_ ? kDialersOwn : policy;
}

ConnectionPool::Want PooledClient::WantFor(const Request& request, const net::ProxyPtr& proxy,
                                           const Call& call) const {
  return {{request.url.origin(), request.tls_profile, proxy, PolicyOf(request)},
          call.timeouts,
          call.deadline,
          request.subject};
}

Task<absl::StatusOr<Response>> PooledClient::Send(Request request, Call call) {
  ExchangeRecord unwanted;
  ExchangeRecord& record = call.records != nullptr ? call.records->emplace_back() : unwanted;
  if (call.records != nullptr) record.url = request.url.Redacted();
  Recording recording(pool_.clock(), record);
  absl::StatusOr<Response> response = co_await SendRecorded(std::move(request), call, recording);
  recording.Finish();
  co_return response;
}

Task<absl::StatusOr<bool>> PooledClient::Warm(Url url, std::size_t enough, Timeouts timeouts) {
  Request request(std::move(url));
  CO_ASSIGN_OR_RETURN(const net::ProxyPtr proxy, ApplyRules(request));
  Call call;
  call.timeouts = timeouts;
  co_return co_await pool_.Warm(WantFor(request, proxy, call), enough);
}

Task<absl::StatusOr<Response>> PooledClient::SendRecorded(Request request, const Call& call,
                                                          Recording& recording) {
  ExchangeRecord& record = recording.record();
  const absl::StatusOr<net::ProxyPtr> proxy = ApplyRules(request);
  if (!proxy.ok()) {
    record.failed_phase = Phase::kProxy;
    co_return proxy.status();
  }
  if (*proxy != nullptr) record.proxy = (*proxy)->name;
  std::optional<Lease> lease = pool_.TryReuse(request.url.origin(), request.tls_profile,
                                              proxy->get(), PolicyOf(request).get());
  if (!lease) {
    CO_ASSIGN_OR_RETURN(lease, co_await pool_.Acquire(WantFor(request, *proxy, call), &record));
  }
  for (int redials = 0;; ++redials) {
    Channel& channel = lease->channel();
    record.reused = lease->reused();
    CO_RETURN_IF_ERROR(channel.Begin(request, user_agent_, call.timeouts, call.deadline));
    recording.Exchanging();
    const absl::Status exchanged = co_await channel.Exchange();
    record.first_byte = channel.first_byte();
    if (exchanged.ok()) break;
    record.failed_phase = channel.failed_phase();
    if (redials == kMaxRedials || !MayRedial(exchanged, *lease, request)) co_return exchanged;
    record.redialled = true;
    record.failed_phase.reset();
    recording.Dialling();
    CO_ASSIGN_OR_RETURN(
        lease, co_await pool_.Redial(*std::move(lease), WantFor(request, *proxy, call), &record));
  }
  Channel& channel = lease->channel();
  Response response{.head = channel.TakeHead(), .url = request.url};
  record.status = response.head.status;
  response.content_length = LengthOf(request, response.head, channel.framing());
  response.body = MakeBody(*std::move(lease));
  co_return response;
}

}  // namespace fetchd::http
