#include "fetch/resume.h"

#include <span>

#include "base/byte_range.h"
#include "base/digest.h"
#include "base/retry_policy.h"
#include "base/strings.h"
#include "fetch/http_date.h"

namespace fetchd::fetch {
namespace {

constexpr Duration kSurelyOlder = std::chrono::minutes(1);

absl::StatusCode CodeOf(int status) {
  switch (status) {
    case 404:
    case 410:
      return absl::StatusCode::kNotFound;
    case 429:
    case 503:
      return absl::StatusCode::kUnavailable;
    default:
      return absl::StatusCode::kFailedPrecondition;
  }
}

Judged HttpError(const http::Response& response) {
  const int status = response.head.status;
  Judged judged;
  judged.error = WithReason(absl::Status(CodeOf(status), Concat("the origin answered ", status)),
                            {"HTTP_STATUS", {{"status", Concat(status)}}});
  judged.retryable = IsRetryableHttpStatus(status);
  return judged;
}

Judged Malformed(const std::string& what) {
  Judged judged;
  judged.error = WithReason(absl::DataLossError(what), {"MALFORMED_RESPONSE", {}});
  judged.retryable = true;
  return judged;
}

// The origin's word that these bytes belong to the body we have a part of.
bool SameBody(const http::Headers& headers, const Validator& validator) {
  if (!validator.etag.empty()) return headers.Get("ETag") == validator.etag;
  if (validator.last_modified.empty() || !headers.Has("Last-Modified")) return true;
  return headers.Get("Last-Modified") == validator.last_modified;
}

Judged JudgePartial(const http::Response& response, const Asked& asked) {
  if (asked.offset == 0) return Malformed("the origin answered 206 to a request without Range");
  if (!Continues(response.url, asked.source, asked.validator)) return {.answer = Answer::kAskAgain};
  const http::Headers& headers = response.head.headers;
  const Judged again{.answer = Answer::kAskAgain};
  if (headers.Count("Content-Range") != 1) return again;
  const std::optional<ContentRange> content = ParseContentRange(headers.Get("Content-Range"));
  if (!content || !content->range || content->range->first != asked.offset) return again;
  const std::uint64_t size = *content->range->last - content->range->first + 1;
  if (response.content_length && *response.content_length != size) return again;
  const auto total = content->complete_length;
  // Where the body ends would be anybody's guess: a server may send less than was asked for.
  if (!total && !asked.total_bytes) return again;
  if (total && asked.total_bytes && *total != *asked.total_bytes) return again;
  if (!SameBody(headers, asked.validator)) return again;
  return {.answer = Answer::kBody, .total_bytes = total ? total : asked.total_bytes};
}

Judged JudgeNotSatisfiable(const http::Response& response, const Asked& asked) {
  if (asked.offset == 0) return HttpError(response);
  const http::Headers& headers = response.head.headers;
  const std::optional<ContentRange> content = ParseContentRange(headers.Get("Content-Range"));
  const bool all_here = content && content->complete_length == asked.offset;
  const bool same = Continues(response.url, asked.source, asked.validator) &&
                    (!headers.Has("ETag") || SameBody(headers, asked.validator));
  if (!all_here || !same) return {.answer = Answer::kAskAgain};
  return {.answer = Answer::kComplete, .total_bytes = asked.offset};
}

}  // namespace

Validator ValidatorOf(const http::Headers& headers) {
  Validator validator;
  const std::string_view etag = headers.Get("ETag");
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') validator.etag = etag;
  const std::string_view modified = headers.Get("Last-Modified");
  const std::optional<WallTime> modified_at = ParseHttpDate(modified);
  const std::optional<WallTime> date = ParseHttpDate(headers.Get("Date"));
  if (modified_at && date && *date - *modified_at >= kSurelyOlder) {
    validator.last_modified = modified;
  }
  return validator;
}

Source SourceOf(const Url& url) {
  Source source{url.origin().ToString() + std::string(url.path()), ""};
  if (url.query().empty()) return source;
  Digester digester({DigestAlgorithm::kSha256});
  digester.Update(std::as_bytes(std::span(url.query())));
  source.query = digester.Finish().front().ToHex();
  return source;
}

bool Continues(const Url& url, const Source& source, const Validator& validator) {
  if (source.place.empty()) return true;
  const Source now = SourceOf(url);
  return now.place == source.place && (now.query == source.query || !validator.etag.empty());
}

Judged Judge(const http::Response& response, const Asked& asked) {
  const int status = response.head.status;
  if (status == 206) return JudgePartial(response, asked);
  if (status == 416) return JudgeNotSatisfiable(response, asked);
  if (status < 200 || status > 299) return HttpError(response);
  return {.answer = asked.offset == 0 ? Answer::kBody : Answer::kFromZero,
          .total_bytes = response.content_length};
}

}  // namespace fetchd::fetch
