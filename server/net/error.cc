#include "net/error.h"

#include <boost/asio/error.hpp>
#include <utility>

#include "base/strings.h"
#include "base/task.h"
#include "net/tls_error.h"

namespace fetchd::net {

namespace {

using boost::system::error_code;
namespace errc = boost::system::errc;

bool OutOfResources(const error_code& error) {
  return error == errc::too_many_files_open || error == errc::too_many_files_open_in_system ||
         error == errc::no_buffer_space || error == errc::not_enough_memory;
}

const char* ReasonFor(Phase phase) {
  switch (phase) {
    case Phase::kConnect:
      return "CONNECT_FAILED";
    case Phase::kTls:
      return "TLS_FAILED";
    default:
      return "CONNECTION_LOST";
  }
}

}  // namespace

std::string PeerName(const Origin& origin) {
  const bool ipv6 = origin.host.find(':') != std::string::npos;
  return ipv6 ? Concat("[", origin.host, "]:", origin.port) : Concat(origin.host, ":", origin.port);
}

bool IsTlsFault(const error_code& error) { return error.category() == TlsFaultCategory(); }

absl::Status NetworkError(const error_code& error, Phase phase, const std::string& peer) {
  if (IsTlsFault(error)) return TlsFaultError(error, peer);
  const std::string what =
      Concat(std::string_view(PhaseName(phase)), " ", peer, ": ", error.message());
  if (error == asio::error::operation_aborted) return absl::CancelledError(what);
  const Reason reason{ReasonFor(phase), {{"phase", PhaseName(phase)}, {"peer", peer}}};
  if (OutOfResources(error)) {
    return WithReason(
        absl::ResourceExhaustedError(
            Concat(what, "; lower limits.connections or raise RLIMIT_NOFILE and memory limits")),
        {"OUT_OF_DESCRIPTORS", reason.metadata});
  }
  return WithReason(absl::UnavailableError(what), reason);
}

std::string TimeoutMessage(Phase phase, const std::string& peer) {
  return Concat(std::string_view(PhaseName(phase)), " timed out: ", peer);
}

std::string ConnectOutcome(const error_code& error) {
  if (!error) return "connected";
  if (error == asio::error::connection_refused) return "refused";
  if (error == asio::error::connection_reset) return "reset";
  if (error == asio::error::timed_out) return "timed out";
  if (error == asio::error::network_unreachable || error == asio::error::host_unreachable) {
    return "unreachable";
  }
  return error.message();
}

}  // namespace fetchd::net
