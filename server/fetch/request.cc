#include "fetch/request.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/http_date.h"
#include "base/strings.h"

namespace fetchd::fetch {
namespace {

// Any other header that a caller sets may carry a credential.
constexpr std::array<std::string_view, 5> kNeverSecret = {"accept", "accept-language",
                                                          "cache-control", "pragma", "user-agent"};

constexpr char kTraceparent[] = "traceparent";
constexpr char kTracestate[] = "tracestate";

void AddConditions(const jobs::FetchSpec& spec, http::Request& request) {
  std::string tags;
  for (const std::string& tag : spec.if_none_match) tags += Concat(tags.empty() ? "" : ", ", tag);
  if (!tags.empty()) request.headers.push_back({"If-None-Match", std::move(tags)});
  if (spec.if_modified_since) {
    request.headers.push_back({"If-Modified-Since", FormatHttpDate(*spec.if_modified_since)});
  }
}

bool IsTrusted(const jobs::FetchSpec& spec, const Url& url, UrlOptions options) {
  const absl::StatusOr<Url> primary = Url::ParseSource(spec.urls.front(), options);
  return primary.ok() && primary->origin() == url.origin();
}

Credentials WithSecret(Credentials credentials, const Secret& value) {
  if (auto* basic = std::get_if<BasicCredentials>(&credentials)) basic->password = value;
  if (auto* digest = std::get_if<DigestCredentials>(&credentials)) digest->password = value;
  if (auto* bearer = std::get_if<BearerCredentials>(&credentials)) bearer->token = value;
  return credentials;
}

template <typename T>
void Override(const std::optional<T>& value, T& target) {
  if (value) target = *value;
}

}  // namespace

http::Request BuildRequest(const jobs::FetchSpec& spec, const Url& url, const Asked& asked,
                           UrlOptions options) {
  http::Request request(url);
  request.method = spec.method == jobs::Method::kHead ? "HEAD" : "GET";
  request.tls_profile = spec.tls_profile;
  request.proxy = spec.proxy;
  const bool trusted = IsTrusted(spec, url, options);
  for (const jobs::RequestHeader& header : spec.headers) {
    if (!header.secret.empty()) continue;
    std::string name = AsciiLower(header.name);
    const bool secret = std::ranges::find(kNeverSecret, name) == kNeverSecret.end();
    if (secret && !trusted) continue;
    request.headers.push_back({header.name, header.value.Reveal()});
    if (secret) request.secret_headers.push_back(std::move(name));
  }
  if (trusted && spec.credentials_secret.empty()) request.credentials = spec.credentials;
  AddConditions(spec, request);
  if (const std::optional<ByteRange> missing = asked.Missing()) {
    request.headers.push_back({"Range", missing->ToHeader()});
    if (asked.offset > 0 && !asked.validator.empty()) {
      request.headers.push_back({"If-Range", asked.validator.if_range()});
    }
  }
  return request;
}

absl::Status AddNamedSecrets(const jobs::FetchSpec& spec, const NamedSecrets& secrets,
                             UrlOptions options, http::Request& request) {
  if (!IsTrusted(spec, request.url, options)) return absl::OkStatus();
  const Origin& origin = request.url.origin();
  for (const jobs::RequestHeader& header : spec.headers) {
    if (header.secret.empty()) continue;
    ASSIGN_OR_RETURN(const Secret value, secrets.ValueFor(header.secret, origin));
    request.headers.push_back({header.name, value.Reveal()});
    request.secret_headers.push_back(AsciiLower(header.name));
  }
  if (spec.credentials_secret.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Secret value, secrets.ValueFor(spec.credentials_secret, origin));
  request.credentials = WithSecret(spec.credentials, value);
  return absl::OkStatus();
}

void AddTrace(const TraceContext& trace, std::string_view span_id, TraceTo to,
              http::Request& request) {
  if (to == TraceTo::kNobody || trace.trace_id.empty() || span_id.empty()) return;
  for (const http::Header& header : request.headers) {
    const std::string name = AsciiLower(header.name);
    if (name == kTraceparent || name == kTracestate) return;
  }
  request.headers.push_back({kTraceparent, FormatTraceparent(trace, span_id)});
  if (!trace.state.empty()) request.headers.push_back({kTracestate, trace.state});
  if (to == TraceTo::kRedirects) return;
  request.secret_headers.push_back(kTraceparent);
  request.secret_headers.push_back(kTracestate);
}

absl::StatusOr<http::Request> MakeRequest(const jobs::FetchSpec& spec, const Url& url,
                                          const Asked& asked, const EngineConfig& config,
                                          std::string_view span_id) {
  http::Request request = BuildRequest(spec, url, asked, config.url);
  RETURN_IF_ERROR(AddNamedSecrets(spec, *config.secrets, config.url, request));
  AddTrace(spec.trace, span_id, config.trace_to, request);
  return request;
}

http::Timeouts TimeoutsOf(const jobs::FetchSpec& spec, http::Timeouts defaults) {
  Override(spec.timeouts.dns, defaults.dial.dns);
  Override(spec.timeouts.connect, defaults.dial.connect);
  Override(spec.timeouts.proxy, defaults.dial.proxy);
  Override(spec.timeouts.tls, defaults.dial.tls);
  Override(spec.timeouts.first_byte, defaults.first_byte);
  Override(spec.timeouts.read_idle, defaults.read_idle);
  return defaults;
}

RetryConfig RetryOf(const jobs::FetchSpec& spec, RetryConfig defaults) {
  Override(spec.retry.max_attempts, defaults.max_attempts);
  Override(spec.retry.base_delay, defaults.base_delay);
  Override(spec.retry.max_delay, defaults.max_delay);
  return defaults;
}

http::RedirectConfig RedirectsOf(const jobs::FetchSpec& spec, http::RedirectConfig defaults) {
  Override(spec.max_redirects, defaults.max_redirects);
  return defaults;
}

}  // namespace fetchd::fetch
