#include "rpc/convert_spec.h"

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/signed_url.h"
#include "base/strings.h"
#include "rpc/convert_time.h"
#include "rpc/status.h"

namespace fetchd::rpc {
namespace {

absl::Status ReadDuration(bool present, const google::protobuf::Duration& value, const char* field,
                          std::optional<Duration>& out) {
  if (!present) return absl::OkStatus();
  ASSIGN_OR_RETURN(out, FromProto(value, field));
  return absl::OkStatus();
}

absl::Status ReadTimeouts(const v1::Timeouts& in, jobs::TimeoutOverrides& out) {
  RETURN_IF_ERROR(ReadDuration(in.has_dns(), in.dns(), "spec.timeouts.dns", out.dns));
  RETURN_IF_ERROR(
      ReadDuration(in.has_connect(), in.connect(), "spec.timeouts.connect", out.connect));
  RETURN_IF_ERROR(ReadDuration(in.has_proxy(), in.proxy(), "spec.timeouts.proxy", out.proxy));
  RETURN_IF_ERROR(ReadDuration(in.has_tls(), in.tls(), "spec.timeouts.tls", out.tls));
  RETURN_IF_ERROR(ReadDuration(in.has_first_byte(), in.first_byte(), "spec.timeouts.first_byte",
                               out.first_byte));
  RETURN_IF_ERROR(
      ReadDuration(in.has_read_idle(), in.read_idle(), "spec.timeouts.read_idle", out.read_idle));
  return ReadDuration(in.has_total(), in.total(), "spec.timeouts.total", out.total);
}

absl::Status ReadRetry(const v1::RetryPolicy& in, jobs::RetryOverrides& out) {
  if (in.has_max_attempts()) out.max_attempts = in.max_attempts();
  RETURN_IF_ERROR(ReadDuration(in.has_base_delay(), in.base_delay(), "spec.retry_policy.base_delay",
                               out.base_delay));
  return ReadDuration(in.has_max_delay(), in.max_delay(), "spec.retry_policy.max_delay",
                      out.max_delay);
}

absl::StatusOr<jobs::Method> ReadMethod(v1::FetchSpec::Method method) {
  switch (method) {
    case v1::FetchSpec::METHOD_UNSPECIFIED:
    case v1::FetchSpec::METHOD_GET:
      return jobs::Method::kGet;
    case v1::FetchSpec::METHOD_HEAD:
      return jobs::Method::kHead;
    default:
      return InvalidField("spec.method", "unknown method; use METHOD_GET or METHOD_HEAD");
  }
}

absl::Status GivenTwice(const std::string& field, const char* instead) {
  return InvalidField(field, Concat("is given besides ", instead, ": leave one of them out"));
}

absl::Status ReadHeaders(const v1::FetchSpec& in, jobs::FetchSpec& out) {
  for (int i = 0; i < in.headers_size(); ++i) {
    const v1::Header& header = in.headers(i);
    if (!header.secret().empty() && !header.value().empty()) {
      return GivenTwice(Concat("spec.headers[", i, "].secret"), "value");
    }
    out.headers.push_back({header.name(), Secret(header.value()), header.secret()});
  }
  return absl::OkStatus();
}

template <typename Login>
absl::Status ReadLogin(const auto& in, const char* field, jobs::FetchSpec& out) {
  if (!in.password_secret().empty() && !in.password().empty()) {
    return GivenTwice(field, "password");
  }
  out.credentials = Login{in.username(), Secret(in.password())};
  out.credentials_secret = in.password_secret();
  return absl::OkStatus();
}

absl::Status ReadCredentials(const v1::Credentials& in, jobs::FetchSpec& out) {
  switch (in.kind_case()) {
    case v1::Credentials::kBasic:
      return ReadLogin<jobs::BasicCredentials>(in.basic(), "spec.credentials.basic.password_secret",
                                               out);
    case v1::Credentials::kDigest:
      return ReadLogin<jobs::DigestCredentials>(in.digest(),
                                                "spec.credentials.digest.password_secret", out);
    case v1::Credentials::kBearerToken:
      out.credentials = jobs::BearerCredentials{Secret(in.bearer_token())};
      break;
    case v1::Credentials::kBearerTokenSecret:
      out.credentials = jobs::BearerCredentials();
      out.credentials_secret = in.bearer_token_secret();
      break;
    case v1::Credentials::KIND_NOT_SET:
      break;
  }
  return absl::OkStatus();
}

absl::StatusOr<jobs::Sharing> ReadShare(v1::FetchSpec::Share share) {
  switch (share) {
    case v1::FetchSpec::SHARE_UNSPECIFIED:
      return jobs::Sharing::kDefault;
    case v1::FetchSpec::SHARE_NEVER:
      return jobs::Sharing::kNever;
    case v1::FetchSpec::SHARE_ALWAYS:
      return jobs::Sharing::kAlways;
    default:
      return InvalidField("spec.share", "unknown; use SHARE_NEVER or SHARE_ALWAYS");
  }
}

v1::FetchSpec::Share ShareToProto(jobs::Sharing share) {
  switch (share) {
    case jobs::Sharing::kDefault:
      return v1::FetchSpec::SHARE_UNSPECIFIED;
    case jobs::Sharing::kNever:
      return v1::FetchSpec::SHARE_NEVER;
    case jobs::Sharing::kAlways:
      return v1::FetchSpec::SHARE_ALWAYS;
  }
  return v1::FetchSpec::SHARE_UNSPECIFIED;
}

absl::StatusOr<bool> ReadDecode(v1::FetchSpec::Decode decode) {
  switch (decode) {
    case v1::FetchSpec::DECODE_UNSPECIFIED:
    case v1::FetchSpec::DECODE_AS_SENT:
      return false;
    case v1::FetchSpec::DECODE_CONTENT:
      return true;
    default:
      return InvalidField("spec.decode", "unknown; use DECODE_AS_SENT or DECODE_CONTENT");
  }
}

absl::Status ReadPartWanted(const v1::FetchSpec& in, jobs::FetchSpec& out) {
  out.if_none_match.assign(in.if_none_match().begin(), in.if_none_match().end());
  if (in.has_if_modified_since()) {
    ASSIGN_OR_RETURN(out.if_modified_since,
                     FromProto(in.if_modified_since(), "spec.if_modified_since"));
  }
  if (in.has_range()) {
    out.range = ByteRange{in.range().first(), std::nullopt};
    if (in.range().has_last()) out.range->last = in.range().last();
  }
  return absl::OkStatus();
}

absl::Status ReadDigests(const v1::FetchSpec& in, std::vector<Digest>& out) {
  for (int i = 0; i < in.digests_size(); ++i) {
    auto digest = Digest::Parse(in.digests(i));
    if (!digest.ok()) {
      return InvalidField(Concat("spec.digests[", i, "]"), MessageOf(digest.status()));
    }
    out.push_back(*std::move(digest));
  }
  return absl::OkStatus();
}

void WriteLogin(const std::string& username, const std::string& secret, auto& out) {
  out.set_username(username);
  secret.empty() ? out.set_password(kRedacted) : out.set_password_secret(secret);
}

void WriteCredentials(const jobs::FetchSpec& in, v1::FetchSpec& out) {
  if (std::holds_alternative<std::monostate>(in.credentials)) return;
  const std::string& secret = in.credentials_secret;
  v1::Credentials& credentials = *out.mutable_credentials();
  if (const auto* basic = std::get_if<jobs::BasicCredentials>(&in.credentials)) {
    WriteLogin(basic->username, secret, *credentials.mutable_basic());
  } else if (const auto* digest = std::get_if<jobs::DigestCredentials>(&in.credentials)) {
    WriteLogin(digest->username, secret, *credentials.mutable_digest());
  } else if (secret.empty()) {
    credentials.set_bearer_token(kRedacted);
  } else {
    credentials.set_bearer_token_secret(secret);
  }
}

void WritePartWanted(const jobs::FetchSpec& in, v1::FetchSpec& out) {
  out.mutable_if_none_match()->Assign(in.if_none_match.begin(), in.if_none_match.end());
  if (in.if_modified_since) *out.mutable_if_modified_since() = ToProto(*in.if_modified_since);
  if (!in.range) return;
  out.mutable_range()->set_first(in.range->first);
  if (in.range->last) out.mutable_range()->set_last(*in.range->last);
}

void WriteTimeouts(const jobs::TimeoutOverrides& in, v1::FetchSpec& out) {
  if (in == jobs::TimeoutOverrides()) return;
  v1::Timeouts& timeouts = *out.mutable_timeouts();
  if (in.dns) *timeouts.mutable_dns() = ToProto(*in.dns);
  if (in.connect) *timeouts.mutable_connect() = ToProto(*in.connect);
  if (in.proxy) *timeouts.mutable_proxy() = ToProto(*in.proxy);
  if (in.tls) *timeouts.mutable_tls() = ToProto(*in.tls);
  if (in.first_byte) *timeouts.mutable_first_byte() = ToProto(*in.first_byte);
  if (in.read_idle) *timeouts.mutable_read_idle() = ToProto(*in.read_idle);
  if (in.total) *timeouts.mutable_total() = ToProto(*in.total);
}

void WriteRetry(const jobs::RetryOverrides& in, v1::FetchSpec& out) {
  if (in == jobs::RetryOverrides()) return;
  v1::RetryPolicy& policy = *out.mutable_retry_policy();
  if (in.max_attempts) policy.set_max_attempts(*in.max_attempts);
  if (in.base_delay) *policy.mutable_base_delay() = ToProto(*in.base_delay);
  if (in.max_delay) *policy.mutable_max_delay() = ToProto(*in.max_delay);
}

}  // namespace

absl::StatusOr<jobs::FetchSpec> FromProto(const v1::FetchSpec& in) {
  jobs::FetchSpec out;
  out.urls.assign(in.urls().begin(), in.urls().end());
  ASSIGN_OR_RETURN(out.method, ReadMethod(in.method()));
  RETURN_IF_ERROR(ReadHeaders(in, out));
  RETURN_IF_ERROR(ReadCredentials(in.credentials(), out));
  RETURN_IF_ERROR(ReadDigests(in, out.digests));
  if (in.has_expected_size()) out.expected_size = in.expected_size();
  if (in.has_max_bytes()) out.max_bytes = in.max_bytes();
  if (in.has_max_bytes_per_sec()) out.max_bytes_per_sec = in.max_bytes_per_sec();
  RETURN_IF_ERROR(ReadTimeouts(in.timeouts(), out.timeouts));
  RETURN_IF_ERROR(ReadRetry(in.retry_policy(), out.retry));
  if (in.has_max_redirects()) out.max_redirects = in.max_redirects();
  out.tls_profile = in.tls_profile();
  out.proxy = in.proxy();
  ASSIGN_OR_RETURN(out.decode, ReadDecode(in.decode()));
  ASSIGN_OR_RETURN(out.share, ReadShare(in.share()));
  RETURN_IF_ERROR(ReadPartWanted(in, out));
  return out;
}

v1::FetchSpec ToProto(const jobs::FetchSpec& in) {
  v1::FetchSpec out;
  for (const std::string& url : in.urls) out.add_urls(HideSignatures(url));
  out.set_method(in.method == jobs::Method::kHead ? v1::FetchSpec::METHOD_HEAD
                                                  : v1::FetchSpec::METHOD_GET);
  for (const jobs::RequestHeader& header : in.headers) {
    v1::Header& added = *out.add_headers();
    added.set_name(header.name);
    header.secret.empty() ? added.set_value(kRedacted) : added.set_secret(header.secret);
  }
  WriteCredentials(in, out);
  for (const Digest& digest : in.digests) out.add_digests(digest.ToSri());
  if (in.expected_size) out.set_expected_size(*in.expected_size);
  if (in.max_bytes) out.set_max_bytes(*in.max_bytes);
  if (in.max_bytes_per_sec) out.set_max_bytes_per_sec(*in.max_bytes_per_sec);
  WriteTimeouts(in.timeouts, out);
  WriteRetry(in.retry, out);
  if (in.max_redirects) out.set_max_redirects(*in.max_redirects);
  out.set_tls_profile(in.tls_profile);
  out.set_proxy(in.proxy);
  out.set_share(ShareToProto(in.share));
  out.set_decode(in.decode ? v1::FetchSpec::DECODE_CONTENT : v1::FetchSpec::DECODE_AS_SENT);
  WritePartWanted(in, out);
  return out;
}

}  // namespace fetchd::rpc
