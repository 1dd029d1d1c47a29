#include "net/dialer.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "net/connect_race.h"
#include "net/error.h"
#include "net/tcp_stream.h"
#include "net/tls_stream.h"

namespace fetchd::net {

namespace {

using asio::ip::address;
using asio::ip::tcp;

std::string EndpointName(const tcp::endpoint& endpoint) {
  return PeerName({"", endpoint.address().to_string(), endpoint.port()});
}

class HappyEyeballsDialer final : public Dialer {
 public:
  HappyEyeballsDialer(asio::any_io_executor executor, Clock& clock, Resolver& resolver,
                      std::shared_ptr<const egress::Policy> policy,
                      std::shared_ptr<TlsContexts> tls)
      : executor_(std::move(executor)),
        clock_(clock),
        resolver_(resolver),
        policy_(std::move(policy)),
        tls_(std::move(tls)) {}

  Task<absl::StatusOr<std::unique_ptr<Stream>>> Dial(DialRequest request, Deadline deadline,
                                                     DialRecord* record) override;

 private:
  Task<absl::StatusOr<std::vector<address>>> Resolve(DialRequest request, Deadline deadline,
                                                     DialRecord* record);
  absl::StatusOr<std::vector<tcp::endpoint>> Judge(const std::vector<address>& addresses,
                                                   const Origin& origin) const;
  Task<absl::StatusOr<ConnectResult>> Connect(DialRequest request,
                                              std::vector<tcp::endpoint> endpoints,
                                              Deadline deadline, DialRecord* record);
  Task<absl::StatusOr<std::unique_ptr<Stream>>> Secure(DialRequest request, ConnectResult connected,
                                                       Deadline deadline, DialRecord* record);

  const asio::any_io_executor executor_;
  Clock& clock_;
  Resolver& resolver_;
  const std::shared_ptr<const egress::Policy> policy_;
  const std::shared_ptr<TlsContexts> tls_;
};

Task<absl::StatusOr<std::unique_ptr<Stream>>> HappyEyeballsDialer::Dial(DialRequest request,
                                                                        Deadline deadline,
                                                                        DialRecord* record) {
  DialRecord unwanted;
  if (record == nullptr) record = &unwanted;
  *record = DialRecord();
  const bool secure = request.origin.scheme == "https";
  if (secure && !tls_->Has(request.tls_profile)) {
    record->failed_phase = Phase::kTls;
    co_return absl::InvalidArgumentError(
        Concat("no TLS profile is called \"", request.tls_profile, "\""));
  }

  record->failed_phase = Phase::kResolve;
  CO_ASSIGN_OR_RETURN(const std::vector<address> addresses,
                      co_await Resolve(request, deadline, record));
  CO_ASSIGN_OR_RETURN(std::vector<tcp::endpoint> endpoints, Judge(addresses, request.origin));

  record->failed_phase = Phase::kConnect;
  CO_ASSIGN_OR_RETURN(ConnectResult connected,
                      co_await Connect(request, std::move(endpoints), deadline, record));
  if (!secure) co_return MakeTcpStream(std::move(connected.socket), connected.peer);

  record->failed_phase = Phase::kTls;
  co_return co_await Secure(std::move(request), std::move(connected), deadline, record);
}

Task<absl::StatusOr<std::vector<address>>> HappyEyeballsDialer::Resolve(DialRequest request,
                                                                        Deadline deadline,
                                                                        DialRecord* record) {
  boost::system::error_code not_an_address;
  const address literal = asio::ip::make_address(request.origin.host, not_an_address);
  if (!not_an_address) co_return std::vector<address>{literal};

  const SteadyTime began = clock_.Now();
  const Deadline until = deadline.Min(Deadline::After(began, request.timeouts.dns));
  absl::StatusOr<Resolution> resolution = co_await resolver_.Resolve(request.origin.host, until);
  record->dns = clock_.Now() - began;
  if (!resolution.ok()) co_return std::move(resolution).status();
  record->dns_cached = resolution->cached;
  co_return std::move(resolution->addresses);
}

absl::StatusOr<std::vector<tcp::endpoint>> HappyEyeballsDialer::Judge(
    const std::vector<address>& addresses, const Origin& origin) const {
  std::vector<address> admitted;
  const egress::Judgement judgement =
      policy_->JudgeAddresses(addresses, origin.port, origin.host, admitted);
  if (!judgement.allowed()) return egress::DeniedError(judgement, origin);
  std::vector<tcp::endpoint> endpoints;
  for (const address& each : InterleaveFamilies(std::move(admitted))) {
    endpoints.emplace_back(each, origin.port);
  }
  return endpoints;
}

Task<absl::StatusOr<ConnectResult>> HappyEyeballsDialer::Connect(
    DialRequest request, std::vector<tcp::endpoint> endpoints, Deadline deadline,
    DialRecord* record) {
  const SteadyTime began = clock_.Now();
  const Deadline until = deadline.Min(Deadline::After(began, request.timeouts.connect));
  ConnectResult result = co_await RaceToConnect(executor_, clock_, std::move(endpoints), until);
  record->connect = clock_.Now() - began;
  for (const ConnectTry& each : result.tries) {
    record->tries.push_back({EndpointName(each.endpoint), each.outcome, each.took});
  }
  const std::string peer = PeerName(request.origin);
  if (result.deadline_passed) {
    co_return absl::DeadlineExceededError(TimeoutMessage(Phase::kConnect, peer));
  }
  if (result.error) co_return NetworkError(result.error, Phase::kConnect, peer);
  boost::system::error_code ignored;  // Slower without it, no less right.
  result.socket.set_option(tcp::no_delay(true), ignored);
  co_return result;
}

Task<absl::StatusOr<std::unique_ptr<Stream>>> HappyEyeballsDialer::Secure(DialRequest request,
                                                                          ConnectResult connected,
                                                                          Deadline deadline,
                                                                          DialRecord* record) {
  const std::string peer = PeerName(request.origin);
  CO_ASSIGN_OR_RETURN(SslPtr ssl, tls_->NewClient(request.tls_profile, request.origin.host,
                                                  request.origin.port, request.offer_http2));
  const SteadyTime began = clock_.Now();
  const Deadline until = deadline.Min(Deadline::After(began, request.timeouts.tls));
  absl::StatusOr<TlsHandshake> handshake =
      co_await WithDeadline(clock_, until, TimeoutMessage(Phase::kTls, peer),
                            ShakeHands(std::move(connected.socket), connected.peer, std::move(ssl),
                                       request.origin.host, peer, request.offer_http2));
  record->tls = clock_.Now() - began;
  if (!handshake.ok()) co_return std::move(handshake).status();
  record->tls_description = handshake->stream->tls_description();
  record->tls_resumed = handshake->resumed;
  co_return std::move(handshake->stream);
}

}  // namespace

std::unique_ptr<Dialer> MakeDialer(asio::any_io_executor executor, Clock& clock, Resolver& resolver,
                                   std::shared_ptr<const egress::Policy> policy,
                                   std::shared_ptr<TlsContexts> tls) {
  return std::make_unique<HappyEyeballsDialer>(std::move(executor), clock, resolver,
                                               std::move(policy), std::move(tls));
}

}  // namespace fetchd::net
