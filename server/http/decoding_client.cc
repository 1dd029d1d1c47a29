#include "http/decoding_client.h"

#include <utility>

#include "base/strings.h"
#include "http/content_coding.h"
#include "http/decoding_body.h"

namespace fetchd::http {
namespace {

constexpr int kPartialContent = 206;
/// Who waits holds a connection and a place for it: bodies that take long must not hold up others.
constexpr Duration kPatience = std::chrono::seconds(30);
/// gzip in gzip: less than the buffer that the body is read into.
constexpr std::uint64_t kFreeBytes = std::uint64_t{128} << 10;

/// Bodies of redirects and errors are nobody's file: what they would grow to is never looked at.
bool MayBeDecoded(const Response& response) {
  const int status = response.head.status;
  return status >= 200 && status < 300 && status != kPartialContent && response.content_length != 0;
}

}  // namespace

// The record is that of the last hop, which is over but for its body: nobody adds another one now.
Task<absl::StatusOr<Permit>> DecodingClient::Reserve(std::uint64_t bytes, Call call) {
  const bool recorded = call.records != nullptr && !call.records->empty();
  ExchangeRecord unwanted;
  ExchangeRecord& record = recorded ? call.records->back() : unwanted;
  const SteadyTime from = clock_.Now();
  record.memory_wait_since = from;
  const Deadline until = call.deadline.Min(Deadline::After(clock_, kPatience));
  absl::StatusOr<Permit> permit = co_await memory_.Acquire(bytes, clock_, until, "decoding memory");
  record.memory_wait_since.reset();
  record.memory_wait = clock_.Now() - from;
  if (absl::IsDeadlineExceeded(permit.status()) && !call.deadline.Passed(clock_)) {
    co_return WithReason(absl::UnavailableError("no memory for its decoder came free in 30 s "
                                                "(limits.decode_bytes): try again later"),
                         {"DECODE_MEMORY", {}});
  }
  co_return permit;
}

Task<absl::StatusOr<Response>> DecodingClient::Send(Request request, Call call) {
  const std::optional<DecodeLimits> limits =
      request.method == "HEAD" ? std::nullopt : request.decode;
  const std::string peer = request.url.origin().ToString();
  CO_ASSIGN_OR_RETURN(Response response, co_await inner_.Send(std::move(request), call));
  if (!limits || !MayBeDecoded(response)) co_return response;
  const absl::StatusOr<std::vector<ContentCoding>> codings = CodingsOf(response.head.headers);
  if (!codings.ok()) co_return WithPrefix(codings.status(), peer);
  if (codings->empty()) co_return response;
  std::uint64_t bytes = 0;
  for (const ContentCoding coding : *codings) bytes += MemoryOf(coding);
  Permit permit;
  if (bytes > kFreeBytes) {
    CO_ASSIGN_OR_RETURN(permit, co_await Reserve(bytes, call));
  }
  response.body = std::make_unique<DecodingBody>(std::move(response.body), *codings, *limits, peer,
                                                 std::move(permit));
  response.content_length.reset();
  co_return response;
}

}  // namespace fetchd::http
