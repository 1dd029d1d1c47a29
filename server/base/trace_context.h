// W3C Trace Context: the trace that a caller's work belongs to, from his call to the origin.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace fetchd {

/// Which trace something belongs to, and by which call it was asked for. What is in here was
/// checked: it is safe to print, and to send.
struct TraceContext {
  std::string trace_id;    ///< 32 hexadecimal digits; empty = not known.
  std::string parent_id;   ///< The caller's span, 16 digits; empty: the trace begins here.
  bool sampled = false;    ///< Somebody records it.
  std::string state;       ///< tracestate; empty = none.
  std::string request_id;  ///< x-request-id of the call; empty = not known.
  friend bool operator==(const TraceContext&, const TraceContext&) = default;
};

/// trace_id, parent_id and sampled, of the value of a traceparent field. nullopt when that is none:
/// of version 00 anything but "00-<32>-<16>-<2>" in lower case, ids of zeros alone, version ff. Of
/// a later version what version 00 knows is taken.
std::optional<TraceContext> ParseTraceparent(std::string_view text);

/// The values of tracestate fields, in their order, as one: members in their form, each key once,
/// at most 32, and of these as many as kMaxTracestateBytes hold (those over 128 bytes go first,
/// then the last ones). Empty when there are none, or one is wrong.
std::string JoinTracestate(std::span<const std::string_view> values);
inline constexpr std::size_t kMaxTracestateBytes = 512;

/// "00-<trace>-<span_id>-01"; empty without a trace.
std::string FormatTraceparent(const TraceContext& trace, std::string_view span_id);

/// 1 to 128 of letters, digits and "._-:/+=@": what passes through logs and shells as it is.
bool IsRequestId(std::string_view text);

std::string RandomTraceId();
std::string RandomSpanId();

}  // namespace fetchd
