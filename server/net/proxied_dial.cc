#include "net/proxied_dial.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/strings.h"
#include "net/error.h"
#include "net/proxy_error.h"
#include "net/tcp_stream.h"
#include "net/tunnel.h"

namespace fetchd::net {

namespace {

using asio::ip::address;
using asio::ip::tcp;

/// A connection to the proxy: a socket as long as it can be one, because TLS over a socket is
/// faster than TLS over a stream.
struct Link {
  std::unique_ptr<TcpStream> tcp;  ///< Either this ...
  std::unique_ptr<Stream> tls;     ///< ... or this.
  std::string target;              ///< What the proxy has connected it to.
  Stream& stream() const { return tcp != nullptr ? *tcp : *tls; }
  std::unique_ptr<Stream> Take() && {
    return tcp != nullptr ? std::unique_ptr<Stream>(std::move(tcp)) : std::move(tls);
  }
};

/// A target as it is asked for.
struct Candidate {
  TunnelTarget target;
  bool is_v4 = false;
};

absl::Status LostProxy(const Proxy& proxy, const IoResult& result, const std::string& peer) {
  if (result.error == asio::error::operation_aborted) return absl::CancelledError(proxy.Title());
  if (IsTlsFault(result.error)) return NetworkError(result.error, Phase::kProxy, proxy.Title());
  const bool closed = result.error == asio::error::eof;
  return ProxyConnectError(
      proxy, closed ? "it closed the connection" : Concat("lost: ", result.error.message()), peer);
}

/// Those of the family in which the proxy was reached come first: it has that family for sure.
std::vector<Candidate> Ordered(const std::vector<Candidate>& candidates, bool v4_first) {
  std::vector<Candidate> ordered;
  for (const bool v4 : {v4_first, !v4_first}) {
    for (const Candidate& each : candidates) {
      if (each.is_v4 == v4) ordered.push_back(each);
    }
  }
  return ordered;
}

/// Says what the negotiation says, until it is over.
Task<absl::StatusOr<TunnelOutcome>> Converse(Stream& stream, TunnelNegotiation& negotiation,
                                             const Proxy& proxy, std::string peer) {
  std::array<std::byte, 256> buffer;
  while (true) {
    const std::string request = negotiation.TakeOutput();
    if (!request.empty()) {
      const IoResult sent = co_await stream.WriteAll(std::as_bytes(std::span(request)));
      if (sent.error) co_return LostProxy(proxy, sent, peer);
    }
    const std::size_t wanted = std::min(negotiation.wanted(), buffer.size());
    if (wanted == 0) co_return negotiation.outcome();
    const IoResult received = co_await stream.ReadSome(std::span(buffer).first(wanted));
    if (received.error) co_return LostProxy(proxy, received, peer);
    negotiation.Feed({reinterpret_cast<const char*>(buffer.data()), received.bytes});
  }
}

class ProxiedDial {
 public:
  ProxiedDial(DialServices& services, DialRequest request, Deadline deadline, DialRecord& record)
      : services_(services),
        request_(std::move(request)),
        proxy_(*request_.proxy),
        peer_(PeerName(request_.origin)),
        deadline_(deadline),
        record_(record),
        steps_(services, request_.timeouts, deadline, record) {}

  Task<absl::StatusOr<std::unique_ptr<Stream>>> Run() {
    record_.failed_phase = Phase::kResolve;
    CO_ASSIGN_OR_RETURN(std::vector<Candidate> candidates, co_await Candidates());
    record_.failed_phase = Phase::kProxy;
    if (!request_.tunnel) {
      CO_ASSIGN_OR_RETURN(Link link, co_await Reach());
      co_return std::move(link).Take();
    }
    CO_ASSIGN_OR_RETURN(Link tunnel, co_await OpenTunnel(std::move(candidates)));
    if (request_.origin.scheme != "https") co_return std::move(tunnel).Take();
    record_.failed_phase = Phase::kTls;
    co_return co_await Secure(std::move(tunnel));
  }

 private:
  Task<absl::StatusOr<std::vector<Candidate>>> Candidates();
  absl::StatusOr<std::vector<Candidate>> Admit(const std::vector<address>& addresses) const;
  absl::StatusOr<std::vector<Candidate>> AdmitName() const;
  Task<absl::StatusOr<Link>> Reach();
  absl::Status NotReached(absl::Status why) const;
  absl::Status NotConnected(const ConnectResult& result) const;
  Task<absl::StatusOr<Link>> OpenTunnel(std::vector<Candidate> candidates);
  Task<TunnelOutcome> Ask(Link& link, TunnelTarget target, Deadline until);
  Task<absl::StatusOr<std::unique_ptr<Stream>>> Secure(Link tunnel);

  DialServices& services_;
  const DialRequest request_;
  const Proxy& proxy_;
  const std::string peer_;
  const Deadline deadline_;
  DialRecord& record_;
  DialSteps steps_;
};

/// What the proxy may be asked for, after the egress policy.
Task<absl::StatusOr<std::vector<Candidate>>> ProxiedDial::Candidates() {
  boost::system::error_code a_name;
  asio::ip::make_address(request_.origin.host, a_name);
  if (a_name && proxy_.resolves_names) co_return AdmitName();
  CO_ASSIGN_OR_RETURN(const std::vector<address> addresses,
                      co_await steps_.Resolve(request_.origin.host));
  co_return Admit(addresses);
}

absl::StatusOr<std::vector<Candidate>> ProxiedDial::AdmitName() const {
  const Origin& origin = request_.origin;
  RETURN_IF_ERROR(AdmitRemoteName(services_, request_));
  return std::vector<Candidate>{{{origin.host, origin.port}}};
}

absl::StatusOr<std::vector<Candidate>> ProxiedDial::Admit(
    const std::vector<address>& addresses) const {
  std::vector<address> admitted;
  RETURN_IF_ERROR(AdmitAddresses(services_, request_, addresses, admitted));
  std::vector<Candidate> candidates;
  for (const address& each : admitted) {
    candidates.push_back({{each.to_string(), request_.origin.port}, each.is_v4()});
  }
  return candidates;
}

Task<absl::StatusOr<Link>> ProxiedDial::Reach() {
  absl::StatusOr<std::vector<address>> addresses = co_await steps_.Resolve(proxy_.host);
  if (!addresses.ok()) co_return NotReached(addresses.status());
  ConnectResult connected = co_await steps_.Connect(*std::move(addresses), proxy_.port);
  if (connected.error) {
    record_.tries.push_back(
        {proxy_.Title(), ConnectOutcome(connected.error), connected.tries.back().took});
    co_return NotConnected(connected);
  }
  Link link;
  if (proxy_.kind != ProxyKind::kHttps) {
    link.tcp = std::make_unique<TcpStream>(std::move(connected.socket), connected.peer);
    co_return link;
  }
  TlsTarget target{.profile = proxy_.tls_profile, .host = proxy_.host, .port = proxy_.port};
  CO_ASSIGN_OR_RETURN(link.tls, co_await steps_.SecureDirectly(std::move(connected),
                                                               std::move(target), proxy_.Title()));
  // The record describes the TLS of the origin, if it has any.
  record_.tls_description.clear();
  record_.tls_resumed = false;
  co_return link;
}

/// The proxy's name did not resolve. That is no fault of the origin's name.
absl::Status ProxiedDial::NotReached(absl::Status why) const {
  if (absl::IsNotFound(why) || absl::IsUnavailable(why)) {
    return ProxyConnectError(proxy_, MessageOf(why), peer_);
  }
  return WithPrefix(why, proxy_.Title());
}

absl::Status ProxiedDial::NotConnected(const ConnectResult& result) const {
  if (result.deadline_passed) {
    return absl::DeadlineExceededError(
        TimeoutMessage(Phase::kProxy, Concat(proxy_.Title(), " does not accept connections")));
  }
  const absl::Status status = NetworkError(result.error, Phase::kConnect, proxy_.Title());
  if (!absl::IsUnavailable(status)) return status;
  return ProxyConnectError(proxy_, Concat("connect: ", result.error.message()), peer_);
}

Task<absl::StatusOr<Link>> ProxiedDial::OpenTunnel(std::vector<Candidate> candidates) {
  absl::Status failed;
  Deadline until;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    CO_ASSIGN_OR_RETURN(Link link, co_await Reach());
    const SteadyTime now = services_.clock.Now();
    if (i == 0) {
      until = deadline_.Min(Deadline::After(now, request_.timeouts.proxy));
      candidates = Ordered(candidates, link.stream().peer().address().is_v4());
    }
    const bool last = i + 1 == candidates.size() || until.IsNever();
    const Deadline own = last ? until : Deadline::At(now + (until.at() - now) / 2);
    link.target = candidates[i].target.host;
    const TunnelOutcome outcome = co_await Ask(link, candidates[i].target, own);
    if (outcome.status.ok()) co_return link;
    failed = outcome.status;
    if (!outcome.other_address_may_work) break;
  }
  co_return failed;
}

Task<TunnelOutcome> ProxiedDial::Ask(Link& link, TunnelTarget target, Deadline until) {
  const SteadyTime began = services_.clock.Now();
  const std::string address = PeerName({"", target.host, target.port});
  const auto negotiation = NegotiateTunnel(proxy_, std::move(target), peer_);
  const std::string late = TimeoutMessage(Phase::kProxy, PeerName(request_.origin, &proxy_));
  absl::StatusOr<TunnelOutcome> outcome = co_await WithDeadline(
      services_.clock, until, late, Converse(link.stream(), *negotiation, proxy_, peer_));
  if (!outcome.ok()) {
    const bool timed_out = absl::IsDeadlineExceeded(outcome.status());
    outcome = TunnelOutcome{outcome.status(), timed_out ? "timed out" : "lost",
                            !absl::IsCancelled(outcome.status())};
  }
  const Duration took = services_.clock.Now() - began;
  record_.proxy += took;
  record_.tries.push_back({address, outcome->summary, took});
  co_return *std::move(outcome);
}

Task<absl::StatusOr<std::unique_ptr<Stream>>> ProxiedDial::Secure(Link tunnel) {
  const Origin& origin = request_.origin;
  TlsTarget target{request_.tls_profile, origin.host, origin.port,
                   Concat(proxy_.Title(), " ", tunnel.target), request_.offer_http2};
  std::string peer_name = PeerName(origin, &proxy_);
  if (tunnel.tls != nullptr) {
    co_return co_await steps_.Secure(std::move(tunnel.tls), std::move(target),
                                     std::move(peer_name));
  }
  tcp::endpoint endpoint = tunnel.tcp->peer();
  co_return co_await steps_.Secure(tunnel.tcp->Release(), std::move(endpoint), std::move(target),
                                   std::move(peer_name));
}

}  // namespace

Task<absl::StatusOr<std::unique_ptr<Stream>>> DialThroughProxy(DialServices& services,
                                                               DialRequest request,
                                                               Deadline deadline,
                                                               DialRecord& record) {
  ProxiedDial dial(services, std::move(request), deadline, record);
  co_return co_await dial.Run();
}

}  // namespace fetchd::net
