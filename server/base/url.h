// The one URL parser: policy, pool key, request line, Host, SNI and logs all read this object.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace fetchd {

struct ObjectUri;

/// How an IPv4 literal may be written.
enum class Ipv4Forms {
  kCanonical,  ///< Dotted-quad decimal only; 127.1, 0x7f.1, 017700000001, 2130706433 are refused.
  kWhatwg,     ///< Any form that the WHATWG URL Standard reads as IPv4; the result is canonical.
};

struct UrlOptions {
  Ipv4Forms ipv4_forms = Ipv4Forms::kCanonical;
};

/// Scheme, host and port: what credentials and connections belong to (RFC 6454). All canonical.
struct Origin {
  std::string scheme;  ///< "http" or "https"; of objects "s3", or "s3+name".
  /// Lower case, IDNA A-labels, no trailing dot; an IPv6 address without brackets. Of objects the
  /// bucket, as it is.
  std::string host;
  std::uint16_t port = 0;  ///< 0 for objects.
  friend auto operator<=>(const Origin&, const Origin&) = default;
  std::string ToString() const;  ///< "https://example.org:8443"; the default port is left out.
  /// What ToString() writes, or as a caller may write it: a URL without path and query, or
  /// "s3://bucket". INVALID_ARGUMENT as Url::Parse.
  static absl::StatusOr<Origin> Parse(std::string_view text, UrlOptions options = {});
};

/// An absolute http or https URL, canonical and immutable. WHATWG host rules; stricter where being
/// lenient only helps an attacker: no trimming, no control, space, backslash or non-ASCII bytes
/// outside the host, no userinfo, no zone ids, bad ports refused, at most 8,192 bytes. The fragment
/// is dropped.
class Url {
 public:
  /// INVALID_ARGUMENT with a message that says what is wrong and what to write instead. The message
  /// never repeats userinfo or query.
  static absl::StatusOr<Url> Parse(std::string_view text, UrlOptions options = {});
  /// What a job may be fetched from: as Parse, or an object in a store (see ParseObjectUri). What
  /// an origin says, such as a Location, is never read as that.
  static absl::StatusOr<Url> ParseSource(std::string_view text, UrlOptions options = {});
  static Url Of(const ObjectUri& object);
  /// A Location against this URL (RFC 3986 5.2): absolute, scheme-relative, path-absolute,
  /// relative, query. As Parse, but spaces and non-ASCII bytes of path and query are
  /// percent-encoded: servers do send them raw.
  absl::StatusOr<Url> Resolve(std::string_view location, UrlOptions options = {}) const;

  /// This origin with a request-target of a protocol that names things by it, to the letter: dot
  /// segments stay where they are, and so what ToString() gives is a URL that Parse may read as
  /// another. INVALID_ARGUMENT unless it begins with '/' and is printable ASCII without '#', or the
  /// whole is too long.
  absl::StatusOr<Url> WithExactTarget(std::string target) const;

  const Origin& origin() const { return origin_; }
  const std::string& scheme() const { return origin_.scheme; }
  const std::string& host() const { return origin_.host; }
  std::uint16_t port() const { return origin_.port; }
  bool is_https() const { return origin_.scheme == "https"; }
  bool names_object() const { return origin_.port == 0; }
  /// The one that it names; only then.
  ObjectUri object() const;
  /// Set when the host is an IP literal.
  const std::optional<boost::asio::ip::address>& address() const { return address_; }
  /// Path and query, at least "/": the request-target in origin-form (RFC 9112 3.2.1).
  const std::string& target() const { return target_; }
  std::string_view path() const;
  std::string_view query() const;  ///< Without '?'; empty when there is none.
  /// The last path segment, percent-decoded, safe as a file name; "index" when there is none.
  std::string basename() const;
  /// Host header value: brackets for IPv6, port only when it is not the scheme's default.
  std::string host_header() const;
  std::string ToString() const;  ///< Of objects with the key as it is.
  /// For logs and errors: scheme, host, port and path; a query is replaced by "?[redacted]".
  std::string Redacted() const;

  friend bool operator==(const Url&, const Url&) = default;

 private:
  Url() = default;
  Origin origin_;
  std::optional<boost::asio::ip::address> address_;
  std::string target_;
};

}  // namespace fetchd
