// Where a response ends and whether its connection may be used again (RFC 9112 6.3, 9.3).
#pragma once

#include <cstdint>
#include <expected>
#include <string_view>

#include "base/time.h"
#include "http/message.h"

namespace fetchd::http {

enum class BodyMode { kNone, kFixed, kChunked, kUntilClose };

struct Framing {
  BodyMode mode = BodyMode::kNone;
  std::uint64_t length = 0;  ///< Meaningful for kFixed.
  bool reusable = false;     ///< As far as the head says.
  /// Keep-Alive: timeout=N; max() when absent or malformed.
  Duration peer_keeps = Duration::max();
};

/// 1xx heads before the final one of a response.
inline constexpr int kMaxInformationalHeads = 16;

/// Judges a final head (not 1xx). Whatever could be read in two ways is an error, a text with
/// static lifetime: a Transfer-Encoding other than exactly one "chunked" on HTTP/1.1 without
/// Content-Length, differing or malformed lengths, differing Location, Content-Range or ETag
/// fields.
std::expected<Framing, std::string_view> JudgeFraming(const ResponseHead& head, bool head_request);

}  // namespace fetchd::http
