#include "net/dial_steps.h"

#include <utility>

#include "net/error.h"
#include "net/tls_stream.h"

namespace fetchd::net {

using asio::ip::address;
using asio::ip::tcp;

namespace {

const egress::Policy& PolicyOf(const DialServices& services, const DialRequest& request) {
  return request.policy != nullptr ? *request.policy : *services.policy;
}

absl::Status Told(const DialRequest& request, const egress::Judgement& judgement) {
  if (request.subject != nullptr) request.subject->Note(request.origin.ToString(), judgement);
  return judgement.allowed() ? absl::OkStatus() : egress::DeniedError(judgement, request.origin);
}

}  // namespace

absl::Status AdmitAddresses(const DialServices& services, const DialRequest& request,
                            std::span<const address> addresses, std::vector<address>& admitted) {
  const Origin& origin = request.origin;
  return Told(
      request,
      PolicyOf(services, request).JudgeAddresses(addresses, origin.port, origin.host, admitted));
}

absl::Status AdmitRemoteName(const DialServices& services, const DialRequest& request) {
  const Origin& origin = request.origin;
  return Told(request, PolicyOf(services, request).JudgeRemoteName(origin.host, origin.port));
}

Task<absl::StatusOr<std::vector<address>>> DialSteps::Resolve(std::string host) {
  boost::system::error_code not_an_address;
  const address literal = asio::ip::make_address(host, not_an_address);
  if (!not_an_address) co_return std::vector<address>{literal};

  const SteadyTime began = services_.clock.Now();
  const Deadline until = deadline_.Min(Deadline::After(began, timeouts_.dns));
  absl::StatusOr<Resolution> resolution =
      co_await services_.resolver.Resolve(std::move(host), until);
  record_.dns += services_.clock.Now() - began;
  if (!resolution.ok()) co_return std::move(resolution).status();
  all_cached_ = all_cached_ && resolution->cached;
  record_.dns_cached = all_cached_;
  co_return std::move(resolution->addresses);
}

Task<ConnectResult> DialSteps::Connect(std::vector<address> addresses, std::uint16_t port) {
  std::vector<tcp::endpoint> endpoints;
  for (const address& each : InterleaveFamilies(std::move(addresses))) {
    endpoints.emplace_back(each, port);
  }
  services_.failed.PutLast(endpoints);
  const SteadyTime began = services_.clock.Now();
  const Deadline until = deadline_.Min(Deadline::After(began, timeouts_.connect));
  ConnectResult result =
      co_await RaceToConnect(services_.executor, services_.clock, std::move(endpoints), until);
  record_.connect += services_.clock.Now() - began;
  for (const ConnectTry& each : result.tries) {
    if (each.failed) services_.failed.Failed(each.endpoint);
  }
  if (result.error) co_return result;
  services_.failed.Reached(result.peer);
  boost::system::error_code ignored;  // Slower without it, no less right.
  result.socket.set_option(tcp::no_delay(true), ignored);
  co_return result;
}

absl::StatusOr<SslPtr> DialSteps::NewClient(const TlsTarget& target) const {
  return services_.tls->NewClient(target, services_.clock.Now());
}

Task<absl::StatusOr<std::unique_ptr<Stream>>> DialSteps::SecureDirectly(ConnectResult connected,
                                                                        TlsTarget target,
                                                                        std::string peer_name) {
  target.route = connected.peer.address().to_string();
  auto stream = co_await Secure(std::move(connected.socket), connected.peer, std::move(target),
                                std::move(peer_name));
  // Of several machines behind a name, another may do better. A refused certificate is no fault of
  // the address.
  if (absl::IsUnavailable(stream.status()) || absl::IsDeadlineExceeded(stream.status())) {
    services_.failed.Failed(connected.peer);
  }
  co_return stream;
}

Task<absl::StatusOr<std::unique_ptr<Stream>>> DialSteps::Secure(tcp::socket socket,
                                                                tcp::endpoint endpoint,
                                                                TlsTarget target,
                                                                std::string peer_name) {
  CO_ASSIGN_OR_RETURN(SslPtr ssl, NewClient(target));
  co_return co_await Finish(ShakeHands(std::move(socket), std::move(endpoint), std::move(ssl),
                                       peer_name, target.offer_http2),
                            peer_name);
}

Task<absl::StatusOr<std::unique_ptr<Stream>>> DialSteps::Secure(std::unique_ptr<Stream> inner,
                                                                TlsTarget target,
                                                                std::string peer_name) {
  CO_ASSIGN_OR_RETURN(SslPtr ssl, NewClient(target));
  co_return co_await Finish(
      ShakeHands(std::move(inner), std::move(ssl), peer_name, target.offer_http2), peer_name);
}

Task<absl::StatusOr<std::unique_ptr<Stream>>> DialSteps::Finish(
    Task<absl::StatusOr<TlsHandshake>> handshake, std::string peer_name) {
  const SteadyTime began = services_.clock.Now();
  const Deadline until = deadline_.Min(Deadline::After(began, timeouts_.tls));
  absl::StatusOr<TlsHandshake> done = co_await WithDeadline(
      services_.clock, until, TimeoutMessage(Phase::kTls, peer_name), std::move(handshake));
  record_.tls += services_.clock.Now() - began;
  if (!done.ok()) co_return std::move(done).status();
  record_.tls_description = done->stream->tls_description();
  record_.tls_resumed = done->resumed;
  co_return std::move(done->stream);
}

}  // namespace fetchd::net
