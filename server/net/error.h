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
absl::Status NetworkError(const boost::system::error_code& error, Phase phase,
                          const std::string& peer);

/// DEADLINE_EXCEEDED("connect timed out: example.org:443").
std::string TimeoutMessage(Phase phase, const std::string& peer);

/// One or two words for a connection attempt's record: "refused", "unreachable", "reset", ...
std::string ConnectOutcome(const boost::system::error_code& error);

}  // namespace fetchd::net
