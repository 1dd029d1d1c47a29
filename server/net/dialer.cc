#include "net/dialer.h"

#include <utility>

#include "base/strings.h"
#include "net/dial_steps.h"
#include "net/error.h"
#include "net/proxied_dial.h"
#include "net/tcp_stream.h"

namespace fetchd::net {

namespace {

using asio::ip::address;
using asio::ip::tcp;

std::string EndpointName(const tcp::endpoint& endpoint) {
  return PeerName({"", endpoint.address().to_string(), endpoint.port()});
}

class HappyEyeballsDialer final : public Dialer {
 public:
  explicit HappyEyeballsDialer(DialServices services) : services_(std::move(services)) {}

  Task<absl::StatusOr<std::unique_ptr<Stream>>> Dial(DialRequest request, Deadline deadline,
                                                     DialRecord* record) override;

 private:
  Task<absl::StatusOr<std::unique_ptr<Stream>>> DialDirectly(DialRequest request, Deadline deadline,
                                                             DialRecord& record);

  DialServices services_;
};

absl::Status NotConnected(const ConnectResult& result, const Origin& origin) {
  const std::string peer = PeerName(origin);
  if (result.deadline_passed) {
    return absl::DeadlineExceededError(TimeoutMessage(Phase::kConnect, peer));
  }
  return NetworkError(result.error, Phase::kConnect, peer);
}

Task<absl::StatusOr<std::unique_ptr<Stream>>> HappyEyeballsDialer::Dial(DialRequest request,
                                                                        Deadline deadline,
                                                                        DialRecord* record) {
  DialRecord unwanted;
  if (record == nullptr) record = &unwanted;
  *record = DialRecord();
  if (request.origin.scheme == "https" && !services_.tls->Has(request.tls_profile)) {
    record->failed_phase = Phase::kTls;
    co_return absl::InvalidArgumentError(
        Concat("no TLS profile is called \"", request.tls_profile, "\""));
  }
  if (request.proxy != nullptr) {
    co_return co_await DialThroughProxy(services_, std::move(request), deadline, *record);
  }
  co_return co_await DialDirectly(std::move(request), deadline, *record);
}

Task<absl::StatusOr<std::unique_ptr<Stream>>> HappyEyeballsDialer::DialDirectly(
    DialRequest request, Deadline deadline, DialRecord& record) {
  const Origin& origin = request.origin;
  DialSteps steps(services_, request.timeouts, deadline, record);
  record.failed_phase = Phase::kResolve;
  CO_ASSIGN_OR_RETURN(const std::vector<address> addresses, co_await steps.Resolve(origin.host));
  std::vector<address> admitted;
  CO_RETURN_IF_ERROR(AdmitAddresses(services_, request, addresses, admitted));

  record.failed_phase = Phase::kConnect;
  ConnectResult connected = co_await steps.Connect(std::move(admitted), origin.port);
  for (const ConnectTry& each : connected.tries) {
    record.tries.push_back({EndpointName(each.endpoint), each.outcome, each.took});
  }
  if (connected.error) co_return NotConnected(connected, origin);
  if (origin.scheme != "https") {
    co_return std::make_unique<TcpStream>(std::move(connected.socket), connected.peer);
  }
  record.failed_phase = Phase::kTls;
  TlsTarget target{.profile = request.tls_profile,
                   .host = origin.host,
                   .port = origin.port,
                   .offer_http2 = request.offer_http2};
  co_return co_await steps.SecureDirectly(std::move(connected), std::move(target),
                                          PeerName(origin));
}

}  // namespace

std::unique_ptr<Dialer> MakeDialer(asio::any_io_executor executor, Clock& clock, Resolver& resolver,
                                   std::shared_ptr<const egress::Policy> policy,
                                   std::shared_ptr<TlsContexts> tls) {
  return std::make_unique<HappyEyeballsDialer>(DialServices{std::move(executor), clock, resolver,
                                                            std::move(policy), std::move(tls),
                                                            FailedAddresses(clock)});
}

}  // namespace fetchd::net
