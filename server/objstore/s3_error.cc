#include "objstore/s3_error.h"

#include <absl/status/status.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/http_date.h"
#include "base/strings.h"
#include "objstore/s3_answers.h"

namespace fetchd::objstore {
namespace {

using Code = absl::StatusCode;

// S3's error codes (API Reference, "Error Responses") and those of servers that speak its protocol.
// What is not here is judged by its HTTP status.
constexpr auto kS3Rules = std::to_array<CodeRule>({
    {"NoSuchBucket", Code::kNotFound},
    {"NoSuchKey", Code::kNotFound},
    {"NoSuchUpload", Code::kNotFound},
    {"NoSuchVersion", Code::kNotFound},
    {"AccessDenied", Code::kPermissionDenied},
    {"AccountProblem", Code::kPermissionDenied},
    {"AllAccessDisabled", Code::kPermissionDenied},
    {"ExpiredToken", Code::kPermissionDenied},
    {"InvalidAccessKeyId", Code::kPermissionDenied},
    {"InvalidSecurity", Code::kPermissionDenied},
    {"InvalidToken", Code::kPermissionDenied},
    {"SignatureDoesNotMatch", Code::kPermissionDenied},
    {"TokenRefreshRequired", Code::kPermissionDenied},
    {"PreconditionFailed", Code::kAlreadyExists},
    {"ConditionalRequestConflict", Code::kUnavailable, true},
    {"InvalidPart", Code::kUnavailable},
    {"InvalidPartOrder", Code::kUnavailable},
    {"RequestTimeTooSkewed", Code::kFailedPrecondition},
    {"RequestExpired", Code::kFailedPrecondition},
    {"InvalidObjectState", Code::kFailedPrecondition},
    {"PermanentRedirect", Code::kFailedPrecondition},
    {"TemporaryRedirect", Code::kFailedPrecondition},
    {"Redirect", Code::kFailedPrecondition},
    {"AuthorizationHeaderMalformed", Code::kFailedPrecondition},
    {"IllegalLocationConstraintException", Code::kFailedPrecondition},
    {"QuotaExceeded", Code::kResourceExhausted},
    {"ServiceQuotaExceededException", Code::kResourceExhausted},
    {"XMinioStorageFull", Code::kResourceExhausted},
    {"BadDigest", Code::kDataLoss, true},
    {"XAmzContentSHA256Mismatch", Code::kDataLoss, true},
    {"XAmzContentChecksumMismatch", Code::kDataLoss, true},
    {"IncompleteBody", Code::kUnavailable, true},
    {"RequestTimeout", Code::kUnavailable, true},
    {"OperationAborted", Code::kUnavailable, true},
    {"SlowDown", Code::kUnavailable, true},
    {"Throttling", Code::kUnavailable, true},
    {"RequestLimitExceeded", Code::kUnavailable, true},
    {"NotImplemented", Code::kUnimplemented},
    {"InvalidRange", Code::kOutOfRange},
});

/// "s3.eu-west-1.amazonaws.com", with or without a bucket before it, or "s3-eu-west-1".
std::string RegionOfEndpoint(std::string_view host) {
  if (const std::size_t end = host.rfind(".amazonaws.com"); end != std::string_view::npos) {
    host = host.substr(0, end);
    const std::size_t dot = host.rfind('.');
    std::string_view last = host.substr(dot + 1);
    if (last.starts_with("s3-")) return std::string(last.substr(3));
    const bool modern = dot != std::string_view::npos &&
                        (host.substr(0, dot) == "s3" || host.substr(0, dot).ends_with(".s3"));
    if (modern) return std::string(last);
  }
  return {};
}

bool IsRegionName(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

std::string RightRegion(const S3ErrorBody& body, const Answer& answer) {
  const bool moved = answer.status == 301 || answer.status == 307 || answer.status == 400;
  if (!moved) return {};
  for (const std::string& candidate : {std::string(answer.headers.Get("x-amz-bucket-region")),
                                       body.region, RegionOfEndpoint(body.endpoint)}) {
    if (IsRegionName(candidate)) return candidate;
  }
  return {};
}

std::string Advice(const S3ErrorBody& body, const Answer& answer, const std::string& region,
                   WallTime now) {
  if (body.code == "RequestTimeTooSkewed" || body.code == "RequestExpired") {
    std::optional<WallTime> theirs = ParseS3Time(body.server_time);
    if (!theirs) theirs = ParseHttpDate(answer.headers.Get("Date"));
    return ClockAdvice(theirs, now);
  }
  if (!region.empty()) return Concat("the bucket is in region ", region);
  if (!body.endpoint.empty()) return Concat("its endpoint is ", LineSaid(body.endpoint));
  if (body.code == "SignatureDoesNotMatch") return "is the secret access key the right one?";
  if (body.code == "ExpiredToken") return "the session token has expired";
  return {};
}

}  // namespace

StoreFailure JudgeFailure(const StoreContext& context, const Answer& answer, WallTime now) {
  const S3ErrorBody body = ReadError(answer.body).value_or(S3ErrorBody());
  const http::Headers& headers = answer.headers;
  const auto either = [](const std::string& of_body, std::string_view of_head) {
    return of_body.empty() ? std::string(of_head) : of_body;
  };
  const std::string region = RightRegion(body, answer);
  const ErrorWords words{.code = body.code,
                         .message = body.message,
                         .request_id = either(body.request_id, headers.Get("x-amz-request-id")),
                         .host_id = either(body.host_id, headers.Get("x-amz-id-2")),
                         .advice = Advice(body, answer, region, now)};
  StoreFailure failure =
      MakeFailure(context, words, RuleIn(kS3Rules, body.code, answer.status), answer.status);
  failure.region = region;
  failure.cool_down = CoolDownAfter(answer, body.code == "SlowDown", now);
  failure.credentials_expired = body.code == "ExpiredToken" || body.code == "TokenRefreshRequired";
  return failure;
}

}  // namespace fetchd::objstore
