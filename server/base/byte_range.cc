#include "base/byte_range.h"

#include "base/strings.h"

namespace fetchd {
namespace {

constexpr std::string_view kUnit = "bytes ";

std::optional<ByteRange> ParseSpan(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = ParseDecimal(text.substr(0, dash));
  const auto last = ParseDecimal(text.substr(dash + 1));
  if (!first || !last || *last < *first) return std::nullopt;
  return ByteRange{*first, last};
}

}  // namespace

std::string ByteRange::ToHeader() const {
  return last ? Concat("bytes=", first, '-', *last) : Concat("bytes=", first, '-');
}

std::optional<ContentRange> ParseContentRange(std::string_view value) {
  if (!EqualsIgnoreCase(value.substr(0, kUnit.size()), kUnit)) return std::nullopt;
  value.remove_prefix(kUnit.size());
  const std::size_t slash = value.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::string_view span = value.substr(0, slash);
  const std::string_view length = value.substr(slash + 1);

  ContentRange parsed;
  if (length != "*") {
    parsed.complete_length = ParseDecimal(length);
    if (!parsed.complete_length) return std::nullopt;
  }
  if (span == "*") return parsed.complete_length ? std::optional(parsed) : std::nullopt;
  parsed.range = ParseSpan(span);
  if (!parsed.range) return std::nullopt;
  if (parsed.complete_length && *parsed.range->last >= *parsed.complete_length) return std::nullopt;
  return parsed;
}

}  // namespace fetchd
