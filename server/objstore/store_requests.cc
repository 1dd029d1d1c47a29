#include "objstore/store_requests.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"

namespace fetchd::objstore {
namespace {

StoreReply Refused(absl::Status status) {
  StoreReply reply;
  reply.status = std::move(status);
  return reply;
}

/// As NoAnswer, but that a timeout is one to those who know what to make of it.
absl::Status Unreached(const absl::Status& status, const std::string& what) {
  return absl::IsDeadlineExceeded(status) ? WithPrefix(status, what) : NoAnswer(status, what);
}

/// What a reader of objects makes something of.
bool IsForReader(int http_status) {
  return IsSuccess(http_status) || http_status == 304 || http_status == 412 || http_status == 416;
}

StoreOutcome OutcomeOf(const StoreFailure& failure) {
  if (failure.cool_down) return StoreOutcome::kThrottled;
  return failure.retryable ? StoreOutcome::kFailed : StoreOutcome::kRefused;
}

}  // namespace

bool IsSuccess(int http_status) { return http_status >= 200 && http_status < 300; }

StoreContext StoreRequests::ContextOf(const StoreOperation& operation) const {
  return {store_, operation.name,
          operation.key.empty() ? operation.bucket : Concat(operation.bucket, '/', operation.key)};
}

http::Call StoreRequests::CallFor(const StoreOperation& operation) const {
  http::Call call;
  call.timeouts = timing_.timeouts;
  if (operation.slow) {
    call.timeouts.first_byte = std::max(call.timeouts.first_byte, timing_.complete_timeout);
    call.timeouts.read_idle = std::max(call.timeouts.read_idle, timing_.complete_timeout);
    call.timeouts.min_speed_bytes_per_sec = 0;
  }
  return call;
}

StoreReply StoreRequests::Unanswered(const StoreOperation& operation,
                                     const absl::Status& status) const {
  StoreReply reply;
  reply.status = NoAnswer(status, Describe(ContextOf(operation)));
  reply.failure.retryable = MayPass(status);
  return reply;
}

StoreReply StoreRequests::Failed(StoreFailure failure) {
  StoreReply reply;
  reply.failure = std::move(failure);
  reply.status = reply.failure.status;
  if (!reply.failure.cool_down) return reply;
  cooldown_.Hold(clock_.Now(), *reply.failure.cool_down);
  if (const auto until = cooldown_.Until(clock_.Now())) {
    reply.status = WithRetryAfter(std::move(reply.status), MillisecondsUntil(*until));
  }
  return reply;
}

Task<absl::Status> StoreRequests::WaitUntilCool() {
  const SteadyTime patience = clock_.Now() + timing_.retry.max_retry_after;
  std::optional<SteadyTime> until = cooldown_.Until(clock_.Now());
  if (!until) co_return absl::OkStatus();
  for (; until; until = cooldown_.Until(clock_.Now())) {
    if (*until > patience) {
      co_return WithRetryAfter(absl::UnavailableError("the store asks everybody to wait"),
                               MillisecondsUntil(*until));
    }
    co_await clock_.SleepUntil(*until);
  }
  // Not all at the same moment.
  co_await clock_.SleepFor(std::chrono::duration_cast<Duration>(
      std::chrono::duration<double, Duration::period>(timing_.retry.base_delay) * uniform_()));
  co_return absl::OkStatus();
}

std::chrono::milliseconds StoreRequests::MillisecondsUntil(SteadyTime at) const {
  return std::chrono::ceil<std::chrono::milliseconds>(at - clock_.Now());
}

void StoreRequests::Count(const StoreOperation& operation, StoreOutcome outcome,
                          SteadyTime from) const {
  if (clients_.meter != nullptr) {
    clients_.meter->Note(operation.name, outcome, clock_.Now() - from);
  }
}

Task<StoreReply> StoreRequests::Try(const StoreOperation& operation, RequestAuthor& author) {
  auto request = co_await author.Write();
  if (!request.ok()) {
    co_return Refused(WithPrefix(request.status(), Describe(ContextOf(operation))));
  }
  const http::Call call = CallFor(operation);
  http::Client& client = operation.streamed ? clients_.bodies : clients_.requests;
  const SteadyTime from = clock_.Now();
  auto response = co_await client.Send(*std::move(request), call);
  if (!response.ok()) {
    Count(operation, StoreOutcome::kNoAnswer, from);
    co_return Unanswered(operation, response.status());
  }
  StoreReply reply;
  if (operation.streamed && IsSuccess(response->head.status)) {
    Count(operation, StoreOutcome::kOk, from);
    reply.response = *std::move(response);
    co_return reply;
  }
  auto answer = co_await ReadAnswer(*std::move(response), operation.most_answer_bytes);
  if (!answer.ok()) {
    Count(operation, StoreOutcome::kNoAnswer, from);
    co_return Unanswered(operation, answer.status());
  }
  if (author.IsFailure(*answer)) {
    StoreFailure failure = author.Judge(*answer, clock_.WallNow());
    Count(operation, OutcomeOf(failure), from);
    co_return Failed(std::move(failure));
  }
  Count(operation, StoreOutcome::kOk, from);
  reply.answer = *std::move(answer);
  co_return reply;
}

Task<StoreReply> StoreRequests::Send(const StoreOperation& operation, RequestAuthor& author) {
  const RetryPolicy policy(timing_.retry);
  bool repeated = false;
  for (int attempt = 1;;) {
    if (const absl::Status cool = co_await WaitUntilCool(); !cool.ok()) {
      co_return Refused(WithPrefix(cool, Describe(ContextOf(operation))));
    }
    StoreReply reply = co_await Try(operation, author);
    reply.repeated = repeated;
    if (reply.status.ok()) co_return reply;
    if (author.Learn(reply.failure)) continue;
    const Failure failure{
        reply.status, Phase::kFirstByte, reply.failure.http_status, {}, reply.failure.retryable};
    const auto delay = policy.Next(failure, attempt++, clock_.Now(), Deadline::Never(), uniform_);
    if (!delay) co_return reply;
    repeated = true;
    co_await clock_.SleepFor(*delay);
  }
}

// A Location leads nowhere: who reads objects is never sent to what a store names.
http::Response StoreRequests::Refusal(http::Response response, StoreFailure failure) {
  http::Headers headers;
  for (std::size_t i = 0; i < response.head.headers.size(); ++i) {
    const auto [name, value] = response.head.headers.at(i);
    if (!EqualsIgnoreCase(name, "Location")) headers.Add(name, value);
  }
  if (failure.cool_down) {
    cooldown_.Hold(clock_.Now(), *failure.cool_down);
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(*failure.cool_down);
    if (!headers.Has("Retry-After")) headers.Add("Retry-After", Concat(seconds.count()));
  }
  response.head.headers = std::move(headers);
  response.content_length = 0;
  response.body = std::make_unique<http::EmptyBody>();
  response.failure = std::move(failure.status);
  return response;
}

Task<absl::StatusOr<http::Response>> StoreRequests::Fetch(const StoreOperation& operation,
                                                          RequestAuthor& author, http::Call call) {
  while (true) {
    auto request = co_await author.Write();
    if (!request.ok()) {
      co_return WithPrefix(request.status(), Describe(ContextOf(operation)));
    }
    request->decode = operation.decode;
    request->subject = operation.subject;
    const SteadyTime from = clock_.Now();
    auto sent = co_await clients_.bodies.Send(*std::move(request), call);
    if (!sent.ok()) {
      Count(operation, StoreOutcome::kNoAnswer, from);
      co_return Unreached(sent.status(), Describe(ContextOf(operation)));
    }
    http::Response response = *std::move(sent);
    if (IsForReader(response.head.status)) {
      Count(operation, StoreOutcome::kOk, from);
      co_return response;
    }
    http::Response refused{.head = response.head, .content_length = 0, .url = response.url};
    const auto answer = co_await ReadAnswer(std::move(response), operation.most_answer_bytes);
    if (!answer.ok()) {
      Count(operation, StoreOutcome::kNoAnswer, from);
      co_return Unreached(answer.status(), Describe(ContextOf(operation)));
    }
    StoreFailure failure = author.Judge(*answer, clock_.WallNow());
    Count(operation, OutcomeOf(failure), from);
    if (author.Learn(failure)) continue;
    co_return Refusal(std::move(refused), std::move(failure));
  }
}

}  // namespace fetchd::objstore
