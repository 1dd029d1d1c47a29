#include "http/origin_rules.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/strings.h"

namespace fetchd::http {
namespace {

absl::Status BadPattern() {
  return absl::InvalidArgumentError(
      "write a host (example.org, 192.0.2.7, [2001:db8::1]), *.domain or *, each optionally with "
      ":port");
}

template <typename T>
void FillIn(std::optional<T>& field, const std::optional<T>& from) {
  if (!field) field = from;
}

}  // namespace

absl::StatusOr<HostPattern> HostPattern::Parse(std::string_view text) {
  HostPattern pattern;
  const std::size_t host_end = text.starts_with('[') ? text.find(']') : text.find(':');
  const std::size_t colon = text.find(':', std::min(host_end, text.size()));
  if (colon != std::string_view::npos) {
    pattern.port_ = ParseDecimal<std::uint16_t>(text.substr(colon + 1));
    if (!pattern.port_ || *pattern.port_ == 0) return BadPattern();
    text = text.substr(0, colon);
  }
  if (text == "*") return pattern;
  pattern.exact_ = !text.starts_with("*.");
  if (!pattern.exact_) text.remove_prefix(2);
  // The one parser of hosts decides what a host is, and how it is written.
  if (text.find_first_of("/?#@") != std::string_view::npos) return BadPattern();
  const absl::StatusOr<Url> url = Url::Parse(Concat("http://", text));
  if (!url.ok() || (url->address() && !pattern.exact_)) return BadPattern();
  pattern.host_ = url->host();
  return pattern;
}

bool HostPattern::Matches(const Origin& origin) const {
  if (port_ && *port_ != origin.port) return false;
  if (exact_) return origin.host == host_;
  if (host_.empty()) return true;
  const std::string_view host = origin.host;
  return host.size() > host_.size() + 1 && host.ends_with(host_) &&
         host[host.size() - host_.size() - 1] == '.';
}

bool HostPattern::MoreSpecificThan(const HostPattern& other) const {
  const auto rank = [](const HostPattern& pattern) {
    return std::tuple(pattern.exact_, pattern.host_.size(), pattern.port_.has_value());
  };
  return rank(*this) > rank(other);
}

std::optional<Url> HostPattern::ToUrl(std::string_view scheme) const {
  if (!exact_) return std::nullopt;
  const bool ipv6 = host_.find(':') != std::string::npos;
  std::string text = ipv6 ? Concat(scheme, "://[", host_, ']') : Concat(scheme, "://", host_);
  if (port_) text += Concat(':', *port_);
  const absl::StatusOr<Url> url = Url::Parse(text);
  return url.ok() ? std::optional(*url) : std::nullopt;
}

absl::StatusOr<OriginRules> OriginRules::Create(const std::map<std::string, OriginRule>& rules) {
  OriginRules made;
  for (const auto& [text, rule] : rules) {
    const absl::StatusOr<HostPattern> pattern = HostPattern::Parse(text);
    if (!pattern.ok()) return WithPrefix(pattern.status(), Concat('"', text, '"'));
    if (rule.prewarm && !pattern->ToUrl(rule.prewarm_scheme.value_or("https"))) {
      return absl::InvalidArgumentError(
          Concat('"', text, "\": prewarm needs one host (not a pattern), and http or https"));
    }
    made.entries_.push_back({*pattern, rule});
  }
  std::ranges::sort(made.entries_, [](const Entry& a, const Entry& b) {
    return a.pattern.MoreSpecificThan(b.pattern);
  });
  return made;
}

OriginRule OriginRules::For(const Origin& origin) const {
  OriginRule result;
  for (const Entry& entry : entries_) {
    if (!entry.pattern.Matches(origin)) continue;
    FillIn(result.max_connections, entry.rule.max_connections);
    FillIn(result.max_transfers, entry.rule.max_transfers);
    FillIn(result.requests_per_sec, entry.rule.requests_per_sec);
    FillIn(result.bytes_per_sec, entry.rule.bytes_per_sec);
    FillIn(result.tls_profile, entry.rule.tls_profile);
    FillIn(result.proxy, entry.rule.proxy);
    FillIn(result.auth, entry.rule.auth);
    const bool plain = origin.scheme == "http" && !entry.pattern.names_port();
    if (!plain && result.credentials == nullptr) result.credentials = entry.rule.credentials;
  }
  return result;
}

std::vector<OriginRules::Prewarmed> OriginRules::prewarmed() const {
  std::vector<Prewarmed> result;
  for (const auto& [pattern, rule] : entries_) {
    if (!rule.prewarm) continue;
    result.push_back({*pattern.ToUrl(rule.prewarm_scheme.value_or("https")), *rule.prewarm});
  }
  return result;
}

}  // namespace fetchd::http
