// The one translation of what goes wrong on a connection into statuses, with the peer and the phase
// in the message.
#pragma once

#include <boost/system/error_code.hpp>
#include <string>
#include <string_view>

#include "base/retry_policy.h"
#include "base/status.h"
#include "base/time.h"

namespace fetchd::http {

/// DATA_LOSS, reason MALFORMED_RESPONSE: `what` completes "example.org:80 sent ...".
absl::Status MalformedError(std::string_view peer, std::string_view what);
/// DATA_LOSS, reason TRUNCATED_BODY.
absl::Status TruncatedError(std::string_view peer);
/// UNAVAILABLE, reason CONNECTION_LOST; CANCELLED for operation_aborted; what net::NetworkError
/// says when the peer complained about our TLS.
absl::Status LostError(std::string_view peer, Phase phase, boost::system::error_code error);
/// UNAVAILABLE, reason REQUEST_UNPROCESSED: the peer did not look at the request.
absl::Status UnprocessedError(std::string_view peer, std::string_view why);
/// UNAVAILABLE, reason STREAM_RESET: `code` is the name of an HTTP/2 error code (RFC 9113 7).
absl::Status StreamResetError(std::string_view peer, std::string_view code);
/// DEADLINE_EXCEEDED, reason TIMEOUT {phase}: "first byte timeout after 30 s from example.org:80".
absl::Status TimeoutError(std::string_view peer, std::string_view phase, Duration after);
/// DEADLINE_EXCEEDED, reason TIMEOUT {total}: the call's own deadline, in whatever phase.
absl::Status TotalTimeoutError(std::string_view peer, std::string_view phase);
/// DEADLINE_EXCEEDED, reason TIMEOUT {minimum speed}.
absl::Status TooSlowError(std::string_view peer, std::uint64_t bytes_per_sec, Duration window);

/// "30 s", "250 ms".
std::string FormatDuration(Duration duration);

}  // namespace fetchd::http
