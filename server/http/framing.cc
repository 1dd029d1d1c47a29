#include "http/framing.h"

#include <optional>

#include "base/strings.h"
#include "http/tokens.h"

namespace fetchd::http {
namespace {

using Error = std::string_view;

/// What the fields say, gathered in one pass.
struct Fields {
  std::optional<std::uint64_t> content_length;
  std::size_t transfer_encodings = 0;
  bool chunked = false;
  bool close = false;
  bool keep_alive = false;
  Duration peer_keeps = Duration::max();
  std::optional<std::string_view> location, content_range, etag;
};

/// Calls `visit` with each member of a comma-separated list.
template <typename Visit>
void ForEachMember(std::string_view list, Visit visit) {
  while (true) {
    const std::size_t comma = list.find(',');
    visit(TrimWhitespace(list.substr(0, comma)));
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

/// "3" and "3, 3" are 3; "3, 4", "", "+3" and "3," are errors (RFC 9110 8.6).
std::expected<void, Error> TakeLength(std::string_view value, Fields& fields) {
  bool valid = true;
  ForEachMember(value, [&](std::string_view member) {
    const auto length = ParseDecimal(member);
    valid = valid && length && fields.content_length.value_or(*length) == *length;
    if (length) fields.content_length = length;
  });
  if (!valid) return std::unexpected("bad or differing Content-Length");
  return {};
}

std::expected<void, Error> TakeSingle(std::string_view value, std::optional<std::string_view>& seen,
                                      Error error) {
  if (seen && *seen != value) return std::unexpected(error);
  seen = value;
  return {};
}

/// A value that is not understood means close: the connection is not trusted further.
void TakeConnection(std::string_view value, Fields& fields) {
  fields.close |= value.empty();
  ForEachMember(value, [&](std::string_view option) {
    fields.close |= EqualsIgnoreCase(option, "close") || !(option.empty() || IsToken(option));
    fields.keep_alive |= EqualsIgnoreCase(option, "keep-alive");
  });
}

/// "timeout=5, max=100" (RFC 2068 19.7.1.1).
void TakeKeepAlive(std::string_view value, Fields& fields) {
  constexpr std::string_view kTimeout = "timeout=";
  ForEachMember(value, [&](std::string_view parameter) {
    if (!EqualsIgnoreCase(parameter.substr(0, kTimeout.size()), kTimeout)) return;
    const auto seconds = ParseDecimal<std::uint32_t>(parameter.substr(kTimeout.size()));
    if (seconds) fields.peer_keeps = std::chrono::seconds(*seconds);
  });
}

std::expected<void, Error> TakeField(std::string_view name, std::string_view value,
                                     Fields& fields) {
  switch (name.size()) {  // Most fields end here: cheaper than seven comparisons.
    case 4:
      if (!EqualsIgnoreCase(name, "etag")) return {};
      return TakeSingle(value, fields.etag, "differing ETag");
    case 8:
      if (!EqualsIgnoreCase(name, "location")) return {};
      return TakeSingle(value, fields.location, "differing Location");
    case 10:
      if (EqualsIgnoreCase(name, "connection")) TakeConnection(value, fields);
      if (EqualsIgnoreCase(name, "keep-alive")) TakeKeepAlive(value, fields);
      return {};
    case 13:
      if (!EqualsIgnoreCase(name, "content-range")) return {};
      return TakeSingle(value, fields.content_range, "differing Content-Range");
    case 14:
      return EqualsIgnoreCase(name, "content-length") ? TakeLength(value, fields)
                                                      : std::expected<void, Error>();
    case 17:
      if (!EqualsIgnoreCase(name, "transfer-encoding")) return {};
      ++fields.transfer_encodings;
      fields.chunked = EqualsIgnoreCase(value, "chunked");
      return {};
    default:
      return {};
  }
}

}  // namespace

std::expected<Framing, Error> JudgeFraming(const ResponseHead& head, bool head_request) {
  Fields fields;
  for (std::size_t i = 0; i < head.headers.size(); ++i) {
    const auto [name, value] = head.headers.at(i);
    const auto taken = TakeField(name, value, fields);
    if (!taken) return std::unexpected(taken.error());
  }

  Framing framing;
  framing.peer_keeps = fields.peer_keeps;
  framing.reusable = !fields.close && (head.minor_version >= 1 || fields.keep_alive);
  const bool no_body = head_request || head.status == 204 || head.status == 304;
  if (no_body) return framing;
  if (fields.transfer_encodings > 0) {
    if (fields.transfer_encodings > 1 || !fields.chunked) {
      return std::unexpected("a Transfer-Encoding that is not exactly \"chunked\"");
    }
    if (head.minor_version < 1) return std::unexpected("Transfer-Encoding in HTTP/1.0");
    if (fields.content_length) return std::unexpected("Transfer-Encoding and Content-Length");
    framing.mode = BodyMode::kChunked;
    return framing;
  }
  if (fields.content_length) {
    framing.length = *fields.content_length;
    framing.mode = framing.length == 0 ? BodyMode::kNone : BodyMode::kFixed;
    return framing;
  }
  framing.mode = BodyMode::kUntilClose;
  framing.reusable = false;
  return framing;
}

}  // namespace fetchd::http
