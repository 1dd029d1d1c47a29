// Translates network errors into absl::Status, once: http and net say the same thing the same way.
#pragma once

#include <boost/system/error_code.hpp>
#include <string>

#include "base/retry_policy.h"
#include "base/status.h"
#include "base/url.h"

namespace fetchd::net {

/// "example.org:443", "[::1]:80": how messages name the other end. Never a resolved address.
std::string PeerName(const Origin& origin);

/// UNAVAILABLE with reason CONNECT_FAILED, TLS_FAILED or CONNECTION_LOST, by phase. CANCELLED for
/// operation_aborted. RESOURCE_EXHAUSTED naming the limits when no descriptor or memory was left.
/// FAILED_PRECONDITION with reason TLS_CLIENT_CERTIFICATE when the server wants a certificate of
/// ours, or another one.
absl::Status NetworkError(const boost::system::error_code& error, Phase phase,
                          const std::string& peer);

/// What OpenSSL said about the peer's TLS (tls_error.h): NetworkError has better words for it than
/// for the loss of a connection, whenever it comes.
bool IsTlsFault(const boost::system::error_code& error);

/// DEADLINE_EXCEEDED("connect timed out: example.org:443").
std::string TimeoutMessage(Phase phase, const std::string& peer);

/// One or two words for a connection attempt's record: "refused", "unreachable", "reset", ...
std::string ConnectOutcome(const boost::system::error_code& error);

}  // namespace fetchd::net
