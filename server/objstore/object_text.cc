#include "objstore/object_text.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/strings.h"
#include "base/url_text.h"
#include "base/utf8.h"

namespace fetchd::objstore {
namespace {

constexpr std::size_t kMostTags = 10;
constexpr std::size_t kMostKeyBytes = 1024;

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const CodePoint point = DecodeUtf8(text);
    if (point.size == 0) return false;
    text.remove_prefix(point.size);
  }
  return true;
}

bool IsPrintableAscii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c < 0x7f; });
}

}  // namespace

absl::Status CheckKey(const std::string& key) {
  if (!key.empty() && key.size() <= kMostKeyBytes && IsUtf8(key)) return absl::OkStatus();
  return absl::InvalidArgumentError("the key of an object is 1 to 1024 bytes of UTF-8");
}

absl::Status AddAttribute(std::string name, const std::string& value,
                          std::vector<http::Header>& headers) {
  if (value.empty()) return absl::OkStatus();
  if (!IsPrintableAscii(value) || TrimWhitespace(value).size() != value.size()) {
    return absl::InvalidArgumentError(Concat(
        name, ": a value of printable ASCII without spaces around it; percent-encode others"));
  }
  headers.push_back({std::move(name), value});
  return absl::OkStatus();
}

absl::StatusOr<std::string> EncodeTags(
    const std::vector<std::pair<std::string, std::string>>& tags) {
  if (tags.size() > kMostTags) {
    return absl::InvalidArgumentError(Concat("tags: more than ", kMostTags));
  }
  std::string text;
  for (const auto& [name, value] : tags) {
    text += Concat(text.empty() ? "" : "&", PercentEncode(name, UrlPart::kText), '=',
                   PercentEncode(value, UrlPart::kText));
  }
  return text;
}

}  // namespace fetchd::objstore
