#include "objstore/store_error.h"

#include <algorithm>
#include <chrono>

#include "base/http_date.h"
#include "base/retry_policy.h"
#include "base/strings.h"
#include "base/utf8.h"

namespace fetchd::objstore {
namespace {

using Code = absl::StatusCode;

constexpr std::size_t kMostSaid = 300;

std::string FormatSpan(std::chrono::seconds span) {
  const auto hours = std::chrono::floor<std::chrono::hours>(span);
  const auto minutes = std::chrono::floor<std::chrono::minutes>(span - hours);
  std::string text;
  if (hours.count() != 0) text += Concat(hours.count(), " h ");
  if (minutes.count() != 0) text += Concat(minutes.count(), " min ");
  return Concat(text, (span - hours - minutes).count(), " s");
}

CodeRule RuleOfStatus(int http_status) {
  if (IsRetryableHttpStatus(http_status)) return {"", Code::kUnavailable, true};
  if (http_status >= 300 && http_status < 400) return {"", Code::kFailedPrecondition};
  switch (http_status) {
    case 200:  // With an error that is not in the table.
      return {"", Code::kUnavailable, true};
    case 401:
    case 403:
      return {"", Code::kPermissionDenied};
    case 404:
    case 410:
      return {"", Code::kNotFound};
    case 409:  // Something else is going on there.
      return {"", Code::kUnavailable, true};
    case 412:
      return {"", Code::kAlreadyExists};
    case 416:
      return {"", Code::kOutOfRange};
    case 501:
      return {"", Code::kUnimplemented};
    case 507:
      return {"", Code::kResourceExhausted};
    default:
      return http_status >= 500 ? CodeRule{"", Code::kUnavailable, true}
                                : CodeRule{"", Code::kInvalidArgument};
  }
}

}  // namespace

std::string Describe(const StoreContext& context) {
  return Concat("store \"", context.store, "\": ", context.operation, " of ", context.subject);
}

CodeRule RuleIn(std::span<const CodeRule> rules, std::string_view code, int http_status) {
  const auto found = std::ranges::find(rules, code, &CodeRule::code);
  return found == rules.end() ? RuleOfStatus(http_status) : *found;
}

std::string LineSaid(std::string_view text) {
  std::size_t size = std::min(text.size(), kMostSaid);
  // Not within a character.
  while (size < text.size() && size > 0 && (text[size] & 0xc0) == 0x80) --size;
  std::string said;
  for (const char c : ToUtf8(text.substr(0, size))) {
    said += static_cast<unsigned char>(c) < ' ' || c == 0x7f ? ' ' : c;
  }
  return size < text.size() ? said + "..." : said;
}

std::string TokenSaid(std::string_view text) {
  const bool token = text.size() <= 200 && std::ranges::all_of(text, [](char c) {
                       return c > ' ' && c < 0x7f && c != '"';
                     });
  return token ? std::string(text) : std::string();
}

std::string ClockAdvice(std::optional<WallTime> theirs, WallTime ours) {
  constexpr std::string_view kDo = "set this machine's clock right (NTP)";
  if (!theirs) return std::string(kDo);
  const auto here = std::chrono::floor<std::chrono::seconds>(ours);
  const auto there = std::chrono::floor<std::chrono::seconds>(*theirs);
  const bool behind = here < there;
  return Concat("our clock is ", FormatSpan(behind ? there - here : here - there),
                behind ? " behind" : " ahead of", " that of the store: ", kDo);
}

std::optional<Duration> CoolDownAfter(const Answer& answer, bool busy, WallTime now) {
  if (!busy && answer.status != 503 && answer.status != 429) return std::nullopt;
  const auto asked = ParseRetryAfter(answer.headers.Get("Retry-After"), now);
  if (asked && *asked > Duration::zero()) return asked;
  if (busy) return std::chrono::seconds(1);
  return std::nullopt;
}

StoreFailure MakeFailure(const StoreContext& context, const ErrorWords& words, const CodeRule& rule,
                         int http_status) {
  StoreFailure failure;
  failure.code = TokenSaid(words.code);
  failure.http_status = http_status;
  failure.retryable = rule.retryable;
  const std::string request_id = TokenSaid(words.request_id), host_id = TokenSaid(words.host_id);
  std::string message = Concat(Describe(context), ": ");
  if (!failure.code.empty()) {
    message += failure.code;
    if (!words.message.empty()) message += Concat(": ", LineSaid(words.message));
    message += " (";
  }
  message += Concat("HTTP ", http_status);
  if (!request_id.empty()) message += Concat(", request id ", request_id);
  if (!host_id.empty()) message += Concat(", host id ", host_id);
  if (!failure.code.empty()) message += ')';
  if (!words.advice.empty()) message += Concat("; ", words.advice);
  failure.status =
      WithReason(absl::Status(rule.status, message), {"OBJECT_STORE",
                                                      {{"code", failure.code},
                                                       {"http_status", Concat(http_status)},
                                                       {"request_id", request_id},
                                                       {"store", context.store}}});
  return failure;
}

}  // namespace fetchd::objstore
