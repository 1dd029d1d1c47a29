#include "fetch/resume.h"

#include <algorithm>
#include <span>

#include "base/digest.h"
#include "base/http_date.h"
#include "base/retry_policy.h"
#include "base/strings.h"

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
  if (response.failure) {
    judged.error = *response.failure;
    judged.retryable = absl::IsUnavailable(judged.error);
    return judged;
  }
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

std::uint64_t FirstByteOf(const std::optional<ByteRange>& range) {
  return range ? range->first : 0;
}

// How much is wanted of a body of `length` bytes.
std::uint64_t WantedOf(std::uint64_t length, const std::optional<ByteRange>& range) {
  const std::uint64_t end = range && range->last ? std::min(length, *range->last + 1) : length;
  return end - std::min(end, FirstByteOf(range));
}

// nullopt: where it ends is anybody's guess, for a server may send less than was asked for.
std::optional<std::uint64_t> TotalOf(const ContentRange& content, const Asked& asked) {
  if (content.complete_length) return WantedOf(*content.complete_length, asked.range);
  const bool to_its_end = asked.range && asked.range->last == content.range->last;
  return to_its_end ? asked.range->size() : asked.total_bytes;
}

Judged JudgePartial(const http::Response& response, const Asked& asked) {
  const std::optional<ByteRange> missing = asked.Missing();
  if (!missing) return Malformed("the origin answered 206 to a request without Range");
  if (asked.offset > 0 && !Continues(response.url, asked.source, asked.validator)) {
    return {.answer = Answer::kAskAgain};
  }
  const http::Headers& headers = response.head.headers;
  const auto content = ParseContentRange(headers.Get("Content-Range"));
  // Several ranges in one body (multipart/byteranges) come without such a field of their own.
  const bool fits =
      headers.Count("Content-Range") == 1 && content && content->range &&
      content->range->first == missing->first &&
      (!missing->last || *content->range->last <= *missing->last) &&
      response.content_length.value_or(*content->range->size()) == *content->range->size();
  const auto total = fits ? TotalOf(*content, asked) : std::nullopt;
  const bool proven = !asked.other_url || (content && content->complete_length);
  const bool usable = proven && total && total == asked.total_bytes.value_or(*total) &&
                      SameBody(headers, asked.validator);
  if (usable) return {.answer = Answer::kBody, .total_bytes = total};
  if (asked.offset > 0) return {.answer = Answer::kAskAgain};
  return Malformed("the origin answered 206 with another part than was asked for");
}

Judged NotSatisfiable(std::uint64_t first) {
  Judged judged;
  judged.error =
      WithReason(absl::OutOfRangeError(Concat("the body has no byte ", first, " to begin at")),
                 {"RANGE_NOT_SATISFIABLE", {}});
  return judged;
}

Judged JudgeNotSatisfiable(const http::Response& response, const Asked& asked) {
  const std::optional<ByteRange> missing = asked.Missing();
  if (!missing) return HttpError(response);
  const http::Headers& headers = response.head.headers;
  const std::optional<ContentRange> content = ParseContentRange(headers.Get("Content-Range"));
  if (asked.offset == 0) return NotSatisfiable(missing->first);
  const bool all_here = content && content->complete_length == missing->first &&
                        asked.total_bytes.value_or(asked.offset) == asked.offset;
  const bool same = Continues(response.url, asked.source, asked.validator) &&
                    (!headers.Has("ETag") || SameBody(headers, asked.validator));
  if (!all_here || !same) return {.answer = Answer::kAskAgain};
  return {.answer = Answer::kComplete, .total_bytes = asked.offset};
}

// The whole body, from its first byte.
Judged JudgeWhole(const http::Response& response, const Asked& asked) {
  const std::optional<std::uint64_t> length = response.content_length;
  if (!asked.range) {
    return {.answer = asked.offset == 0 ? Answer::kBody : Answer::kFromZero, .total_bytes = length};
  }
  // If-Range may have found another version: of that, too, only a range is wanted.
  if (asked.offset > 0) return {.answer = Answer::kAskAgain};
  const std::uint64_t first = FirstByteOf(asked.range);
  if (first > 0 && length && *length <= first) return NotSatisfiable(first);
  if (length && *length == WantedOf(*length, asked.range)) {
    return {.answer = Answer::kBody, .total_bytes = length};
  }
  Judged judged;
  judged.error = WithReason(
      absl::FailedPreconditionError("the origin sends the whole body instead of the range"),
      {"RANGE_NOT_SUPPORTED", {}});
  return judged;
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

std::optional<ByteRange> Asked::Missing() const {
  if (offset == 0 && !range) return std::nullopt;
  return ByteRange{FirstByteOf(range) + offset, range ? range->last : std::nullopt};
}

void Asked::StartOver() {
  offset = 0;
  validator = Validator();
  total_bytes.reset();
  source = Source();
  other_url = false;
}

std::uint64_t UsableOf(std::uint64_t kept, const std::optional<ByteRange>& range) {
  const auto size = range ? range->size() : std::nullopt;
  return size ? std::min(kept, *size - 1) : kept;
}

Judged Judge(const http::Response& response, const Asked& asked) {
  const int status = response.head.status;
  if (status == 206) return JudgePartial(response, asked);
  if (status == 416) return JudgeNotSatisfiable(response, asked);
  if (status == 304 && asked.conditional) return {.answer = Answer::kNotModified};
  if (status < 200 || status > 299) return HttpError(response);
  return JudgeWhole(response, asked);
}

}  // namespace fetchd::fetch
