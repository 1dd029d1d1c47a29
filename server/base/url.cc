#include "base/url.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "base/object_uri.h"
#include "base/secret.h"
#include "base/strings.h"
#include "base/url_host.h"
#include "base/url_text.h"

namespace fetchd {
namespace {

constexpr std::size_t kMaxUrlBytes = 8192;

// Ports of other protocols that could be made to read an HTTP request (Fetch Standard, "bad port").
// Sorted.
constexpr auto kBadPorts = std::to_array<std::uint16_t>(
    {0,    1,    7,    9,    11,   13,   15,   17,   19,   20,   21,   22,   23,   25,
     37,   42,   43,   53,   69,   77,   79,   87,   95,   101,  102,  103,  104,  109,
     110,  111,  113,  115,  117,  119,  123,  135,  137,  139,  143,  161,  179,  389,
     427,  465,  512,  513,  514,  515,  526,  530,  531,  532,  540,  548,  554,  556,
     563,  587,  601,  636,  989,  990,  993,  995,  1719, 1720, 1723, 2049, 3659, 4045,
     4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080});
static_assert(std::ranges::is_sorted(kBadPorts));

absl::Status UrlError(const std::string& message) {
  return absl::InvalidArgumentError(Concat("URL: ", message));
}

std::uint16_t DefaultPort(std::string_view scheme) {
  if (scheme == "https") return 443;
  return scheme == "http" ? 80 : 0;
}

std::string HostAndPort(const Origin& origin) {
  std::string text = origin.host;
  if (text.find(':') != std::string::npos) text = Concat('[', text, ']');
  return origin.port == DefaultPort(origin.scheme) ? text : Concat(text, ':', origin.port);
}

// What no part of a URL may hold raw.
absl::Status CheckBytes(std::string_view text) {
  if (text.size() > kMaxUrlBytes) return UrlError("longer than 8192 bytes");
  for (const char c : text) {
    if (c == ' ')
      return UrlError("a space; write %20 in a path or query, and nothing around the URL");
    if (c == '\\') return UrlError("a backslash; write '/' between path segments, or %5C");
    if ((c >= 0 && c < ' ') || c == 0x7f) {
      return UrlError("a control character; remove it, or percent-encode it in a path or query");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ParseScheme(std::string_view& rest) {
  const std::size_t colon = rest.find(':');
  std::string scheme = AsciiLower(rest.substr(0, colon));
  if (colon == std::string_view::npos || (scheme != "http" && scheme != "https")) {
    return UrlError(
        "only http and https are fetched, and s3, gs and azblob from stores; write "
        "https://host/path");
  }
  rest.remove_prefix(colon + 1);
  if (!rest.starts_with("//"))
    return UrlError("\"//\" must follow the scheme, as in https://host/path");
  rest.remove_prefix(2);
  return scheme;
}

absl::StatusOr<std::uint16_t> ParsePort(std::string_view text, std::uint16_t default_port) {
  if (text.empty()) return default_port;
  const auto port = ParseDecimal<std::uint16_t>(text);
  if (!port || *port == 0) return UrlError("port: write a decimal number of 1 to 65535");
  if (std::ranges::binary_search(kBadPorts, *port)) {
    return UrlError(
        Concat("port ", *port, " belongs to another protocol and is never contacted by HTTP"));
  }
  return *port;
}

struct Authority {
  std::string_view host;
  std::string_view port;
};

absl::StatusOr<Authority> SplitAuthority(std::string_view text) {
  if (text.find('@') != std::string_view::npos) {
    return UrlError(
        "user name or password in the URL; put them into the request's credentials field");
  }
  const std::size_t host_end = text.starts_with('[') ? text.find(']') : 0;
  if (host_end == std::string_view::npos) return UrlError("host: '[' without ']'");
  const std::size_t colon = text.find(':', host_end);
  const Authority authority{text.substr(0, colon),
                            colon == std::string_view::npos ? "" : text.substr(colon + 1)};
  if (authority.port.find(':') != std::string_view::npos) {
    return UrlError("more than one ':' in host and port; write an IPv6 address in brackets");
  }
  return authority;
}

enum class NonAscii { kRefuse, kEncode };

// `text` is path and query, maybe with a fragment.
absl::StatusOr<std::string> ParseTarget(std::string_view text, NonAscii non_ascii) {
  text = text.substr(0, text.find('#'));
  const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  if (non_ascii == NonAscii::kRefuse && !std::ranges::all_of(text, is_ascii)) {
    return UrlError("a character outside ASCII in path or query; percent-encode its UTF-8 bytes");
  }
  const std::size_t mark = text.find('?');
  const std::string_view path = text.substr(0, mark);
  std::string target = path.empty() ? "/" : PercentEncode(RemoveDotSegments(path), UrlPart::kPath);
  if (mark != std::string_view::npos) {
    target += PercentEncode(text.substr(mark), UrlPart::kQuery);
  }
  return target;
}

// Whether a reference starts with "<scheme>:" (RFC 3986 4.1).
bool HasScheme(std::string_view reference) {
  const std::size_t end = reference.find_first_of(":/?#");
  return end != std::string_view::npos && end != 0 && reference[end] == ':';
}

/// But for those around it, which are none of it.
std::string EncodeSpaces(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  text = text.substr(0, text.find_last_not_of(' ') + 1);
  std::string encoded;
  for (const char c : text) {
    if (c == ' ') {
      encoded += "%20";
    } else {
      encoded += c;
    }
  }
  return encoded;
}

}  // namespace

std::string Origin::ToString() const { return Concat(scheme, "://", HostAndPort(*this)); }

absl::StatusOr<Origin> Origin::Parse(std::string_view text, UrlOptions options) {
  ASSIGN_OR_RETURN(const std::optional<ObjectUri> bucket, ParseBucketUri(text));
  if (bucket) return Origin{bucket->SchemeAndStore(), bucket->bucket, 0};
  ASSIGN_OR_RETURN(const Url url, Url::Parse(text, options));
  if (url.target() == "/") return url.origin();
  return absl::InvalidArgumentError(
      "an origin has no path and no query: write https://example.org");
}

absl::StatusOr<Url> Url::ParseSource(std::string_view text, UrlOptions options) {
  ASSIGN_OR_RETURN(const std::optional<ObjectUri> object, ParseObjectUri(text));
  return object ? Of(*object) : Parse(text, options);
}

Url Url::Of(const ObjectUri& object) {
  Url url;
  url.origin_ = {object.SchemeAndStore(), object.bucket, 0};
  url.target_ = Concat('/', PercentEncode(object.key, UrlPart::kSegments));
  return url;
}

ObjectUri Url::object() const {
  FETCHD_CHECK(names_object());
  const std::size_t plus = std::min(scheme().find('+'), scheme().size());
  return {.scheme = scheme().substr(0, plus),
          .store = scheme().substr(std::min(plus + 1, scheme().size())),
          .bucket = host(),
          .key = PercentDecode(target_).substr(1)};
}

absl::StatusOr<Url> Url::Parse(std::string_view text, UrlOptions options) {
  RETURN_IF_ERROR(CheckBytes(text));
  Url url;
  ASSIGN_OR_RETURN(url.origin_.scheme, ParseScheme(text));
  const std::string_view authority_text = text.substr(0, text.find_first_of("/?#"));
  ASSIGN_OR_RETURN(const Authority authority, SplitAuthority(authority_text));
  auto host = ParseHost(authority.host, options.ipv4_forms);
  if (!host.ok()) return WithPrefix(host.status(), "URL");
  url.origin_.host = std::move(host->text);
  url.address_ = host->address;
  ASSIGN_OR_RETURN(url.origin_.port, ParsePort(authority.port, DefaultPort(url.scheme())));
  ASSIGN_OR_RETURN(url.target_, ParseTarget(text.substr(authority_text.size()), NonAscii::kRefuse));
  // The canonical form must be a URL as well: it is stored, and parsed again.
  RETURN_IF_ERROR(CheckBytes(url.ToString()));
  return url;
}

absl::StatusOr<Url> Url::Resolve(std::string_view location, UrlOptions options) const {
  const std::string spaces_encoded = EncodeSpaces(location);
  const std::string_view reference = spaces_encoded;
  RETURN_IF_ERROR(CheckBytes(reference));
  std::string absolute;
  if (HasScheme(reference)) {
    absolute = reference;
  } else if (reference.starts_with("//")) {
    absolute = Concat(scheme(), ':', reference);
  }
  if (!absolute.empty()) {
    // Servers send raw UTF-8 in Location. Encoding it is what makes it a URL; the host stays as it
    // is.
    const std::size_t authority = absolute.find("//");
    const std::size_t target =
        authority == std::string::npos ? authority : absolute.find_first_of("/?#", authority + 2);
    if (target == std::string::npos) return Parse(absolute, options);
    ASSIGN_OR_RETURN(const std::string encoded,
                     ParseTarget(std::string_view(absolute).substr(target), NonAscii::kEncode));
    return Parse(absolute.substr(0, target) + encoded, options);
  }

  std::string target;
  if (reference.empty() || reference.starts_with('#')) {
    target = target_;
  } else if (reference.starts_with('/')) {
    target = reference;
  } else if (reference.starts_with('?')) {
    target = Concat(path(), reference);
  } else {
    target = Concat(path().substr(0, path().rfind('/') + 1), reference);
  }
  Url url = *this;
  ASSIGN_OR_RETURN(url.target_, ParseTarget(target, NonAscii::kEncode));
  RETURN_IF_ERROR(CheckBytes(url.ToString()));
  return url;
}

absl::StatusOr<Url> Url::WithExactTarget(std::string target) const {
  const auto may_stand = [](char c) { return c > ' ' && c < 0x7f && c != '#' && c != '\\'; };
  if (!target.starts_with('/') || !std::ranges::all_of(target, may_stand)) {
    return UrlError("a target must begin with '/' and be percent-encoded");
  }
  Url url = *this;
  url.target_ = std::move(target);
  RETURN_IF_ERROR(CheckBytes(url.ToString()));
  return url;
}

std::string_view Url::path() const {
  return std::string_view(target_).substr(0, target_.find('?'));
}

std::string_view Url::query() const {
  const std::size_t mark = target_.find('?');
  return mark == std::string::npos ? std::string_view()
                                   : std::string_view(target_).substr(mark + 1);
}

std::string Url::basename() const {
  return SafeFileName(PercentDecode(path().substr(path().rfind('/') + 1)));
}

std::string Url::host_header() const { return HostAndPort(origin_); }

std::string Url::ToString() const {
  return names_object() ? object().ToString() : origin_.ToString() + target_;
}

std::string Url::Redacted() const {
  if (names_object()) return ToString();
  std::string text = Concat(origin_.ToString(), path());
  if (target_.size() > path().size()) text += Concat('?', kRedacted);
  return text;
}

}  // namespace fetchd
