// The one error currency between folders: absl::Status, with a typed reason for those who must act
// on it.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace fetchd {

/// Why, for programs: becomes google.rpc.ErrorInfo at the gRPC edge (domain "fetchd").
/// `reason` is UPPER_SNAKE_CASE and stable; metadata never holds secrets or resolved addresses.
struct Reason {
  std::string reason;
  std::vector<std::pair<std::string, std::string>> metadata;
};

/// Which input was wrong: becomes google.rpc.BadRequest. `field` is the proto path
/// ("spec.urls[0]").
struct FieldViolation {
  std::string field;
  std::string description;
};

/// Which limit is used up: becomes google.rpc.QuotaFailure.
struct QuotaViolation {
  std::string subject;  ///< "tenant:reports".
  std::string description;
};

/// These return `status` with the detail attached. An OK status is returned unchanged.
absl::Status WithReason(absl::Status status, Reason reason);
absl::Status WithField(absl::Status status, FieldViolation violation);
absl::Status WithQuota(absl::Status status, QuotaViolation violation);
absl::Status WithRetryAfter(absl::Status status, std::chrono::milliseconds delay);
/// Same code and details, "<prefix>: <message>".
absl::Status WithPrefix(const absl::Status& status, const std::string& prefix);

std::optional<Reason> GetReason(const absl::Status& status);
std::optional<FieldViolation> GetField(const absl::Status& status);
std::optional<QuotaViolation> GetQuota(const absl::Status& status);
std::optional<std::chrono::milliseconds> GetRetryAfter(const absl::Status& status);

/// status.message() as a std type (Debian's absl::string_view is its own).
std::string MessageOf(const absl::Status& status);

}  // namespace fetchd

#define FETCHD_CONCAT_INNER(a, b) a##b
#define FETCHD_CONCAT(a, b) FETCHD_CONCAT_INNER(a, b)

#define RETURN_IF_ERROR(expr)                      \
  do {                                             \
    absl::Status fetchd_status = (expr);           \
    if (!fetchd_status.ok()) return fetchd_status; \
  } while (false)

#define ASSIGN_OR_RETURN_INNER(holder, lhs, expr)      \
  auto holder = (expr);                                \
  if (!holder.ok()) return std::move(holder).status(); \
  lhs = *std::move(holder)
#define ASSIGN_OR_RETURN(lhs, expr) \
  ASSIGN_OR_RETURN_INNER(FETCHD_CONCAT(fetchd_or_, __LINE__), lhs, expr)

#define CO_RETURN_IF_ERROR(expr)                      \
  do {                                                \
    absl::Status fetchd_status = (expr);              \
    if (!fetchd_status.ok()) co_return fetchd_status; \
  } while (false)

#define CO_ASSIGN_OR_RETURN_INNER(holder, lhs, expr)      \
  auto holder = (expr);                                   \
  if (!holder.ok()) co_return std::move(holder).status(); \
  lhs = *std::move(holder)
#define CO_ASSIGN_OR_RETURN(lhs, expr) \
  CO_ASSIGN_OR_RETURN_INNER(FETCHD_CONCAT(fetchd_or_, __LINE__), lhs, expr)
