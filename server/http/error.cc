#include "http/error.h"

#include <boost/asio/error.hpp>

#include "base/strings.h"
#include "net/error.h"

namespace fetchd::http {
namespace {

absl::Status Timeout(std::string_view phase, std::string message) {
  return WithReason(absl::DeadlineExceededError(message),
                    {"TIMEOUT", {{"phase", std::string(phase)}}});
}

}  // namespace

absl::Status MalformedError(std::string_view peer, std::string_view what) {
  return WithReason(absl::DataLossError(Concat("malformed response: ", peer, " sent ", what)),
                    {"MALFORMED_RESPONSE", {}});
}

absl::Status TruncatedError(std::string_view peer) {
  return WithReason(
      absl::DataLossError(Concat(peer, " closed the connection before the end of the body")),
      {"TRUNCATED_BODY", {}});
}

absl::Status LostError(std::string_view peer, Phase phase, boost::system::error_code error) {
  if (error == boost::asio::error::operation_aborted) {
    return absl::CancelledError(Concat(PhaseName(phase), ": ", peer));
  }
  if (net::IsTlsFault(error)) return net::NetworkError(error, phase, std::string(peer));
  const bool closed = error == boost::asio::error::eof;
  const std::string what = closed ? "closed by the peer" : error.message();
  return WithReason(
      absl::UnavailableError(Concat(PhaseName(phase), ": connection to ", peer, " lost: ", what)),
      {"CONNECTION_LOST", {}});
}

absl::Status UnprocessedError(std::string_view peer, std::string_view why) {
  return WithReason(absl::UnavailableError(Concat(peer, ": ", why)), {"REQUEST_UNPROCESSED", {}});
}

absl::Status StreamResetError(std::string_view peer, std::string_view code) {
  return WithReason(absl::UnavailableError(Concat(peer, " reset the stream: ", code)),
                    {"STREAM_RESET", {}});
}

absl::Status TimeoutError(std::string_view peer, std::string_view phase, Duration after) {
  return Timeout(phase, Concat(phase, " timeout after ", FormatDuration(after), " from ", peer));
}

absl::Status TotalTimeoutError(std::string_view peer, std::string_view phase) {
  return Timeout("total", Concat("total deadline passed in phase ", phase, " with ", peer));
}

absl::Status TooSlowError(std::string_view peer, std::uint64_t bytes_per_sec, Duration window) {
  return Timeout("minimum speed", Concat("minimum speed: ", peer, " sent less than ", bytes_per_sec,
                                         " bytes/s over ", FormatDuration(window)));
}

std::string FormatDuration(Duration duration) {
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  if (duration % seconds(1) == Duration::zero()) return Concat(duration / seconds(1), " s");
  return Concat(duration / milliseconds(1), " ms");
}

}  // namespace fetchd::http
