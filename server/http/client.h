// The HTTP client that the rest of the house sees.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/retry_policy.h"
#include "base/time.h"
#include "http/message.h"
#include "net/dialer.h"

namespace fetchd::http {

struct Timeouts {
  Duration pool_wait =
      Duration::max();  ///< Waiting for a place is not charged to the transfer; max() = unlimited.
  net::DialTimeouts dial;
  Duration first_byte = std::chrono::seconds(30);  ///< Request sent to the final head.
  /// Between two reads that bring bytes; and for each 256 KiB of a request to be taken.
  Duration read_idle = std::chrono::seconds(30);
  std::uint64_t min_speed_bytes_per_sec =
      1024;  ///< Averaged over min_speed_window while somebody reads; 0 = off.
  Duration min_speed_window = std::chrono::seconds(30);
};

/// Facts of one exchange (one hop), for the attempt record; kept up to date while it runs, so that
/// they are there also when it fails or is cancelled.
struct ExchangeRecord {
  std::string url;    ///< Redacted.
  std::string proxy;  ///< The name of the one on the way; empty = direct.
  SteadyTime begun_at{};
  /// When a connection was in hand, or its dial began; empty while the exchange waits for a place.
  std::optional<SteadyTime> served_at;
  Duration pool_wait{};
  bool reused = false;
  bool joined = false;     ///< It is another's exchange, which this caller shares.
  bool redialled = false;  ///< A reused connection was stale and was silently replaced.
  net::DialRecord dial;    ///< Empty when reused.
  Duration first_byte{};
  Duration memory_wait{};                       ///< For that of the decoders of its body.
  std::optional<SteadyTime> memory_wait_since;  ///< While it waits for that.
  int status = 0;
  std::optional<Phase> failed_phase;  ///< Where it failed, or was cancelled.
};

/// Facts of one call that travel with it. `records` may be null; it outlives the call and its body.
struct Call {
  Deadline deadline = Deadline::Never();
  Timeouts timeouts;
  std::vector<ExchangeRecord>* records = nullptr;  ///< One is appended a hop, when it begins.
};

/// The rest of a response. Reading to the end recycles the connection; destruction before closes
/// it.
class Body {
 public:
  virtual ~Body() = default;
  /// Reads 1..out.size() bytes; 0 = end. A short or badly framed body is DATA_LOSS, never a quiet
  /// 0; DEADLINE_EXCEEDED names "read idle", "minimum speed" or "total".
  virtual Task<absl::StatusOr<std::size_t>> Read(std::span<std::byte> out) = 0;
  /// Bytes that a Read could return now without waiting for the network; a hint.
  virtual std::size_t Buffered() const = 0;
  /// What came behind the body, once Read has returned 0; never a part of the head (RFC 9110 6.5).
  virtual const Headers& Trailers() const {
    static const Headers kNone;
    return kNone;
  }
  /// Nobody wants the rest. What is here of it is read at once; up to 128 KiB in all in the
  /// background, for about as long as a new connection would take: so that this one is used again.
  /// Only destruction may follow.
  virtual Task<void> Discard() { co_return; }
};

/// Of HEAD, 204, 304.
class EmptyBody final : public Body {
 public:
  Task<absl::StatusOr<std::size_t>> Read(std::span<std::byte>) override { co_return 0; }
  std::size_t Buffered() const override { return 0; }
};

struct Response {
  ResponseHead head;
  std::optional<std::uint64_t>
      content_length;  ///< Of the body that follows, or for HEAD of the one that GET would bring;
                       ///< absent when the head does not say.
  Url url;             ///< What answered: the last hop.
  std::unique_ptr<Body> body;  ///< Never null; empty for HEAD, 204, 304.
  /// What is known of a status that is no success, beyond its number.
  std::optional<absl::Status> failure = std::nullopt;
};

/// Sends one request; completes when the final head is in.
///  * Any HTTP status is a value. An error means no usable response: UNAVAILABLE (network),
///  DEADLINE_EXCEEDED (names its
///    phase), PERMISSION_DENIED (egress, the rules of a proxy or about it), NOT_FOUND (no such host
///    name), INVALID_ARGUMENT (no such proxy or profile), FAILED_PRECONDITION (certificate, a
///    proxy's credentials), DATA_LOSS (malformed response, reason MALFORMED_RESPONSE),
///    RESOURCE_EXHAUSTED (too many wait), CANCELLED (client closed).
///  * One silent re-dial when a reused connection turns out stale before any response byte, but for
///  POST, which may have been acted upon (RFC 9110 9.2.2). No other retry.
///  * Lives on one shard; call it only from there. Bodies must be gone before the client is.
class Client {
 public:
  virtual ~Client() = default;
  virtual Task<absl::StatusOr<Response>> Send(Request request, Call call) = 0;
};

}  // namespace fetchd::http
