#include "base/url_text.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/strings.h"
#include "base/utf8.h"

namespace fetchd {
namespace {

constexpr std::size_t kMaxFileNameBytes = 255;  // NAME_MAX on the file systems that matter.

bool IsUnreserved(char c) {
  const char lower = AsciiLower(c);
  return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

bool MustEncode(char c, UrlPart part) {
  if (c <= ' ' || c >= 0x7f) return true;  // char is signed: this covers bytes above 0x7f.
  if (part == UrlPart::kText) return !IsUnreserved(c);
  if (part == UrlPart::kSegments) return !IsUnreserved(c) && c != '/';
  const std::string_view forbidden = part == UrlPart::kPath ? "\"#<>?^`{}" : "\"#<>'";
  return forbidden.find(c) != std::string_view::npos;
}

// "." written as "." or "%2e"; returns how many there are in `segment`, or 0 when there is anything
// else.
int CountDots(std::string_view segment) {
  int dots = 0;
  while (!segment.empty()) {
    if (segment.front() == '.') {
      segment.remove_prefix(1);
    } else if (EqualsIgnoreCase(segment.substr(0, 3), "%2e")) {
      segment.remove_prefix(3);
    } else {
      return 0;
    }
    ++dots;
  }
  return dots;
}

// Controls (C0, DEL, C1), separators, and the marks that reorder text in a terminal.
bool IsUnsafeInFileName(std::uint32_t value) {
  return value < 0x20 || (value >= 0x7f && value < 0xa0) || value == '/' || value == '\\' ||
         (value >= 0x2028 && value <= 0x202e) || (value >= 0x2066 && value <= 0x2069);
}

}  // namespace

std::string PercentDecode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      if (const auto byte = HexDecode(text.substr(i + 1, 2))) {
        decoded += *byte;
        i += 2;
        continue;
      }
    }
    decoded.push_back(text[i]);
  }
  return decoded;
}

std::string PercentEncode(std::string_view text, UrlPart part) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    if (MustEncode(c, part)) {
      const auto byte = static_cast<unsigned char>(c);
      encoded += {'%', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      encoded.push_back(c);
    }
  }
  return encoded;
}

std::string RemoveDotSegments(std::string_view path) {
  std::vector<std::string_view> segments;
  std::size_t begin = 1;
  for (bool last = false; !last;) {
    std::size_t end = path.find('/', begin);
    last = end == std::string_view::npos;
    if (last) end = path.size();
    const std::string_view segment = path.substr(begin, end - begin);
    const int dots = CountDots(segment);
    if (dots == 2 && !segments.empty()) segments.pop_back();
    if (dots != 1 && dots != 2) {
      segments.push_back(segment);
    } else if (last) {
      segments.emplace_back();
    }
    begin = end + 1;
  }
  std::string resolved;
  resolved.reserve(path.size());
  for (const std::string_view segment : segments) resolved.append(1, '/').append(segment);
  return resolved;
}

std::string SafeFileName(std::string_view name) {
  if (name.empty()) return "index";
  if (name == "." || name == "..") return std::string(name.size(), '_');
  std::string safe;
  while (!name.empty()) {
    const CodePoint point = DecodeUtf8(name);
    const std::size_t size = point.size == 0 ? 1 : point.size;
    const bool keep = point.size != 0 && !IsUnsafeInFileName(point.value);
    if (safe.size() + (keep ? size : 1) > kMaxFileNameBytes) break;
    safe += keep ? name.substr(0, size) : std::string_view("_");
    name.remove_prefix(size);
  }
  return safe;
}

}  // namespace fetchd
