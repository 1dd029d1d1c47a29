#include "base/status.h"

#include <absl/strings/cord.h>

#include <string_view>

#include "base/strings.h"

namespace fetchd {
namespace {

constexpr char kReasonUrl[] = "fetchd/reason";
constexpr char kFieldUrl[] = "fetchd/field";
constexpr char kQuotaUrl[] = "fetchd/quota";
constexpr char kRetryAfterUrl[] = "fetchd/retry-after-ms";

// Payloads are lists of strings, each as "<length>:<bytes>" (netstrings without the comma).
void AppendString(std::string& out, std::string_view text) {
  out += Concat(text.size(), ':', text);
}

std::vector<std::string> SplitStrings(std::string_view encoded) {
  std::vector<std::string> strings;
  while (!encoded.empty()) {
    const std::size_t colon = encoded.find(':');
    if (colon == std::string_view::npos) break;
    const auto size = ParseDecimal<std::size_t>(encoded.substr(0, colon));
    encoded.remove_prefix(colon + 1);
    if (!size || *size > encoded.size()) break;
    strings.emplace_back(encoded.substr(0, *size));
    encoded.remove_prefix(*size);
  }
  return strings;
}

absl::Status WithPayload(absl::Status status, const char* url, const std::string& payload) {
  if (!status.ok()) status.SetPayload(url, absl::Cord(payload));
  return status;
}

std::optional<std::string> GetPayload(const absl::Status& status, const char* url) {
  const auto payload = status.GetPayload(url);
  if (!payload.has_value()) return std::nullopt;
  return std::string(*payload);
}

std::string Pair(std::string_view first, std::string_view second) {
  std::string payload;
  AppendString(payload, first);
  AppendString(payload, second);
  return payload;
}

template <typename T>
std::optional<T> GetPair(const absl::Status& status, const char* url) {
  const auto payload = GetPayload(status, url);
  if (!payload) return std::nullopt;
  std::vector<std::string> strings = SplitStrings(*payload);
  if (strings.size() != 2) return std::nullopt;
  return T{std::move(strings[0]), std::move(strings[1])};
}

}  // namespace

absl::Status WithReason(absl::Status status, Reason reason) {
  std::string payload;
  AppendString(payload, reason.reason);
  for (const auto& [key, value] : reason.metadata) {
    AppendString(payload, key);
    AppendString(payload, value);
  }
  return WithPayload(std::move(status), kReasonUrl, payload);
}

absl::Status WithField(absl::Status status, FieldViolation violation) {
  return WithPayload(std::move(status), kFieldUrl, Pair(violation.field, violation.description));
}

absl::Status WithQuota(absl::Status status, QuotaViolation violation) {
  return WithPayload(std::move(status), kQuotaUrl, Pair(violation.subject, violation.description));
}

absl::Status WithRetryAfter(absl::Status status, std::chrono::milliseconds delay) {
  return WithPayload(std::move(status), kRetryAfterUrl, Concat(delay.count()));
}

absl::Status WithPrefix(const absl::Status& status, const std::string& prefix) {
  if (status.ok()) return status;
  absl::Status prefixed(status.code(), Concat(prefix, ": ", MessageOf(status)));
  status.ForEachPayload([&prefixed](absl::string_view url, const absl::Cord& payload) {
    prefixed.SetPayload(url, payload);
  });
  return prefixed;
}

std::optional<Reason> GetReason(const absl::Status& status) {
  const auto payload = GetPayload(status, kReasonUrl);
  if (!payload) return std::nullopt;
  std::vector<std::string> strings = SplitStrings(*payload);
  if (strings.empty()) return std::nullopt;
  Reason reason{std::move(strings[0]), {}};
  for (std::size_t i = 1; i + 1 < strings.size(); i += 2) {
    reason.metadata.emplace_back(std::move(strings[i]), std::move(strings[i + 1]));
  }
  return reason;
}

std::optional<FieldViolation> GetField(const absl::Status& status) {
  return GetPair<FieldViolation>(status, kFieldUrl);
}

std::optional<QuotaViolation> GetQuota(const absl::Status& status) {
  return GetPair<QuotaViolation>(status, kQuotaUrl);
}

std::optional<std::chrono::milliseconds> GetRetryAfter(const absl::Status& status) {
  const auto payload = GetPayload(status, kRetryAfterUrl);
  if (!payload) return std::nullopt;
  std::int64_t count = 0;
  std::from_chars(payload->data(), payload->data() + payload->size(), count);
  return std::chrono::milliseconds(count);
}

std::string MessageOf(const absl::Status& status) {
  return std::string(status.message().data(), status.message().size());
}

}  // namespace fetchd
