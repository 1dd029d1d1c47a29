#include "base/url_host.h"

#include <idn2.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/strings.h"
#include "base/url_text.h"

namespace fetchd {
namespace {

namespace ip = boost::asio::ip;

constexpr std::size_t kMaxHostBytes = 253;
constexpr std::size_t kMaxLabelBytes = 63;
constexpr std::size_t kMaxDecodedBytes =
    4 * kMaxHostBytes;  // Before IDNA: UTF-8 is at most four times as long.
constexpr std::uint64_t kIpv4End = std::uint64_t{1} << 32;

absl::Status HostError(const std::string& message) {
  return absl::InvalidArgumentError(Concat("host: ", message));
}

bool IsAscii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool IsDigits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0;;) {
    const std::size_t end = text.find(separator, begin);
    parts.push_back(text.substr(begin, end - begin));
    if (end == std::string_view::npos) return parts;
    begin = end + 1;
  }
}

// WHATWG "IPv4 number parser". Values of 2^32 and above come back as 2^32: all of them are too
// large.
std::optional<std::uint64_t> ParseIpv4Number(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::uint64_t radix = 10;
  if (text.size() >= 2 && text[0] == '0') {
    const bool hex = AsciiLower(text[1]) == 'x';
    radix = hex ? 16 : 8;
    text.remove_prefix(hex ? 2 : 1);
  }
  constexpr std::string_view kRadixDigits = "0123456789abcdef";
  std::uint64_t value = 0;
  for (const char c : text) {
    const std::size_t digit = kRadixDigits.substr(0, radix).find(AsciiLower(c));
    if (digit == std::string_view::npos) return std::nullopt;
    value = std::min(value * radix + digit, kIpv4End);
  }
  return value;
}

// WHATWG "ends in a number checker": such a host is an IPv4 address or nothing.
bool EndsInNumber(std::string_view host) {
  const std::string_view last = host.substr(host.rfind('.') + 1);
  return IsDigits(last) || ParseIpv4Number(last).has_value();
}

std::optional<std::uint32_t> ParseIpv4(std::string_view host, Ipv4Forms forms) {
  const std::vector<std::string_view> parts = Split(host, '.');
  if (parts.size() > 4) return std::nullopt;
  if (forms == Ipv4Forms::kCanonical) {
    const auto canonical = [](std::string_view part) {
      return IsDigits(part) && (part.size() == 1 || part[0] != '0');
    };
    if (parts.size() != 4 || !std::ranges::all_of(parts, canonical)) return std::nullopt;
  }
  std::uint64_t address = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto number = ParseIpv4Number(parts[i]);
    // The last part fills all the bytes that are left.
    const std::size_t bytes = i + 1 < parts.size() ? 1 : 5 - parts.size();
    if (!number || *number >= std::uint64_t{1} << (8 * bytes)) return std::nullopt;
    address = address << (8 * bytes) | *number;
  }
  return static_cast<std::uint32_t>(address);
}

absl::StatusOr<ParsedHost> ParseBracketed(std::string_view text) {
  if (!text.ends_with(']')) return HostError("'[' without ']'");
  text.remove_prefix(1);
  text.remove_suffix(1);
  if (text.find('%') != std::string_view::npos) {
    return HostError(
        "an IPv6 zone id means nothing to another machine; leave out '%' and what follows");
  }
  if (text.find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos) {
    return HostError("brackets are for IPv6 addresses only");
  }
  boost::system::error_code error;
  const auto address = ip::make_address_v6(std::string(text), error);
  if (error) return HostError("not an IPv6 address");
  return ParsedHost{address.to_string(), address};
}

// UTS #46 nontransitional, to A-labels.
absl::StatusOr<std::string> ToAscii(const std::string& name) {
  char* output = nullptr;
  const int error = idn2_to_ascii_8z(name.c_str(), &output, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  const std::unique_ptr<char, decltype(&idn2_free)> owned(output, idn2_free);
  if (error != IDN2_OK) {
    return HostError(
        "not a valid internationalized name; check its spelling, or write its xn-- form");
  }
  return std::string(output);
}

absl::Status CheckName(std::string_view name) {
  if (name.size() > kMaxHostBytes) return HostError("longer than 253 bytes");
  for (const std::string_view label : Split(name, '.')) {
    if (label.empty()) return HostError("an empty label; remove the extra dot");
    if (label.size() > kMaxLabelBytes) return HostError("a label is longer than 63 bytes");
    // Underscores are not host names by RFC 952, yet they are in use.
    if (label.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_") !=
        std::string_view::npos) {
      return HostError("a character that host names cannot hold; use letters, digits, '-' and '.'");
    }
  }
  return absl::OkStatus();
}

bool HasALabel(std::string_view lower) {
  return lower.starts_with("xn--") || lower.find(".xn--") != std::string_view::npos;
}

}  // namespace

absl::StatusOr<ParsedHost> ParseHost(std::string_view text, Ipv4Forms ipv4_forms) {
  if (text.empty()) return HostError("missing; write http://host/path or https://host/path");
  if (text.starts_with('[')) return ParseBracketed(text);

  std::string name = PercentDecode(text);
  if (name.size() > kMaxDecodedBytes) return HostError("longer than 253 bytes");
  const auto is_control = [](char c) { return (c >= 0 && c <= ' ') || c == 0x7f; };
  if (std::ranges::any_of(name, is_control)) {
    return HostError("a control character or space, maybe percent-encoded; remove it");
  }
  if (IsAscii(name)) name = AsciiLower(name);
  if (!IsAscii(name) || HasALabel(name)) {
    ASSIGN_OR_RETURN(name, ToAscii(name));
    name = AsciiLower(name);
  }
  // One dot only makes the name absolute. It must not reach Host, SNI or a policy comparison.
  if (name.ends_with('.')) name.pop_back();
  RETURN_IF_ERROR(CheckName(name));
  if (!EndsInNumber(name)) return ParsedHost{std::move(name), std::nullopt};

  const auto ipv4 = ParseIpv4(name, ipv4_forms);
  if (!ipv4) {
    return HostError(
        "its last label is a number, so it must be an IPv4 address; write four decimal numbers of "
        "0 to 255 without leading zeros, like 192.0.2.1");
  }
  const ip::address_v4 address(*ipv4);
  return ParsedHost{address.to_string(), address};
}

}  // namespace fetchd
