#include "rpc/listener.h"

#include <boost/asio/ip/v6_only.hpp>
#include <chrono>
#include <set>
#include <utility>

#include "base/strings.h"
#include "runtime/runtime.h"

namespace fetchd::rpc {
namespace {

using asio::ip::tcp;
using boost::system::error_code;

/// After a failed accept: without descriptors the next one would fail as well, at once.
constexpr Duration kAcceptPause = std::chrono::milliseconds(100);

}  // namespace

Listener::Listener(const Deps& deps) : deps_(deps), tasks_(deps.executor) {}

absl::Status Listener::Listen(const std::string& listen, const std::string& host,
                              std::uint16_t port) {
  const auto refused = [&listen](const error_code& error) {
    return absl::UnavailableError(Concat("grpc.listen: cannot listen on ", listen, ": ",
                                         error.message(),
                                         "; choose another address, or stop what uses it"));
  };
  error_code error;
  tcp::resolver resolver(deps_.executor);
  const auto found = resolver.resolve(host, Concat(port), tcp::resolver::passive, error);
  if (error) return refused(error);
  port_ = port;
  error_code last;
  std::set<asio::ip::address> addresses;  // A name may give one twice.
  for (const auto& entry : found) {
    if (!addresses.insert(entry.endpoint().address()).second) continue;
    const error_code opened = Open(tcp::endpoint(entry.endpoint().address(), port_));
    // Of localhost, ::1 is no address of a machine without IPv6.
    if (opened) last = opened;
    if (opened && opened != asio::error::address_family_not_supported &&
        opened != boost::system::errc::address_not_available) {
      return refused(opened);
    }
  }
  return acceptors_.empty() ? refused(last) : absl::OkStatus();
}

error_code Listener::Open(tcp::endpoint endpoint) {
  auto acceptor = std::make_unique<Acceptor>(deps_.executor);
  error_code error;
  acceptor->open(endpoint.protocol(), error);
  // A restart does not wait for connections of the process before it.
  if (!error) acceptor->set_option(Acceptor::reuse_address(true), error);
  if (!error && endpoint.address().is_v6()) {
    acceptor->set_option(asio::ip::v6_only(!endpoint.address().is_unspecified()), error);
  }
  if (!error) acceptor->bind(endpoint, error);
  if (!error) acceptor->listen(Acceptor::max_listen_connections, error);
  if (error) return error;
  port_ = acceptor->local_endpoint(error).port();
  acceptors_.push_back(std::move(acceptor));
  return error;
}

void Listener::Start(Take take) {
  take_ = std::move(take);
  for (const auto& acceptor : acceptors_) tasks_.Spawn("grpc listener", Accept(*acceptor));
}

Task<absl::Status> Listener::Accept(Acceptor& acceptor) {
  bool failing = false;
  while (true) {
    auto [error, socket] = co_await acceptor.async_accept(kTuple);
    if (!error) {
      failing = false;
      TakeOrRefuse(acceptor, std::move(socket));
      continue;
    }
    // Once for a run of failures. A cancelled task throws from the pause.
    if (!std::exchange(failing, true) && error != asio::error::operation_aborted) {
      deps_.log.Warning("grpc cannot accept", {{"error", error.message()}});
    }
    co_await deps_.clock.SleepFor(kAcceptPause);
  }
}

void Listener::TakeOrRefuse(Acceptor& acceptor, tcp::socket socket) {
  error_code error;
  const tcp::endpoint peer = socket.remote_endpoint(error);
  if (error) return;  // It has gone already.
  if (!deps_.connections.Admit(socket.native_handle(), peer)) {
    if (const auto left_out = refusals_.Take(deps_.clock.Now())) {
      deps_.log.Warning("connection refused",
                        {{"peer", peer.address().to_string()},
                         {"limit", deps_.connections.limit()},
                         {"limit_of_address", deps_.connections.limit_of_address()},
                         {"left_out", *left_out}});
    }
    return;
  }
  socket.native_non_blocking(true, error);
  // As gRPC's own listener has it: a small message does not wait for an acknowledgement.
  if (!error) socket.set_option(tcp::no_delay(true), error);
  if (error) return;
  const int fd = socket.release(error);
  if (!error) take_(acceptor.native_handle(), fd);
}

void Listener::Stop() {
  if (std::exchange(stopped_, true)) return;
  tasks_.Cancel();
  runtime::RunBlocking(deps_.executor, tasks_.Join());
  acceptors_.clear();
}

}  // namespace fetchd::rpc
