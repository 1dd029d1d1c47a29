// What the operator says about the origins that match a pattern.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/credentials.h"
#include "base/status.h"
#include "base/url.h"
#include "http/netrc.h"

namespace fetchd::http {

/// Hosts by name: "example.org", "*.example.org" (the names under it, not itself), "*" (every
/// host), "192.0.2.7", "[2001:db8::1]"; each optionally with ":port".
class HostPattern {
 public:
  /// INVALID_ARGUMENT saying what is wrong with `text`, without repeating it.
  static absl::StatusOr<HostPattern> Parse(std::string_view text);

  bool Matches(const Origin& origin) const;
  /// The more specific of two that match one origin: an exact host before a suffix, a longer suffix
  /// before a shorter one; among equals, one with a port.
  bool MoreSpecificThan(const HostPattern& other) const;
  /// The origin that `scheme` makes of a pattern that is one host; absent for others.
  std::optional<Url> ToUrl(std::string_view scheme) const;
  bool names_port() const { return port_.has_value(); }
  bool names_host() const { return !host_.empty(); }  ///< false for "*".

 private:
  std::string host_;  ///< Canonical, without "*."; empty for "*".
  bool exact_ = false;
  std::optional<std::uint16_t> port_;
};

enum class LoginScheme { kBasic, kDigest };

/// What the operator's requests to an origin prove who they are with.
using OriginCredentials = std::variant<Login, BearerCredentials>;

/// Absent = nothing is said; a less specific pattern, or the default, decides.
struct OriginRule {
  std::optional<std::size_t> max_connections;  ///< Instead of limits.per_host.
  std::optional<std::size_t> max_transfers;    ///< Jobs at work at once; 0 = none.
  std::optional<double> requests_per_sec;      ///< Transfers that begin.
  std::optional<std::uint64_t> bytes_per_sec;  ///< Of all bodies together.
  std::optional<std::string> tls_profile;      ///< For requests that name none.
  std::optional<std::string> proxy;            ///< Likewise; "direct" = none.
  /// Connections kept open from the start; only where the pattern is one host.
  std::optional<std::size_t> prewarm;
  std::optional<std::string> prewarm_scheme;  ///< How these speak: "https" (default) or "http".
  std::optional<LoginScheme> auth;            ///< How a login is sent. Default: Basic.
  /// Of requests that bring none. Sent over plain http only where the pattern names a port.
  std::shared_ptr<const OriginCredentials> credentials;
};

/// Immutable; shared by all shards.
class OriginRules {
 public:
  OriginRules() = default;
  /// Keys are patterns. INVALID_ARGUMENT naming the pattern that does not parse.
  static absl::StatusOr<OriginRules> Create(const std::map<std::string, OriginRule>& rules);

  bool empty() const { return entries_.empty(); }
  /// Field by field what the most specific pattern with that field says.
  OriginRule For(const Origin& origin) const;

  struct Prewarmed {
    Url url;
    std::size_t connections = 0;
  };
  std::vector<Prewarmed> prewarmed() const;

 private:
  struct Entry {
    HostPattern pattern;
    OriginRule rule;
  };
  std::vector<Entry> entries_;  ///< Most specific first.
};

}  // namespace fetchd::http
