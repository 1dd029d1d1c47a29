#include "rpc/status.h"

#include <chrono>
#include <optional>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "google/rpc/error_details.pb.h"

namespace fetchd::rpc {
namespace {

constexpr char kDomain[] = "fetchd";
/// What a client waits before it asks again: about as long as a replacement takes to serve.
constexpr std::chrono::seconds kDrainRetryDelay{5};

/// Twice in a message, and base64: together they stay below the 8 KiB of metadata that clients
/// take.
constexpr std::size_t kMaxTextBytes = 700;

/// For proto strings and trailers: UTF-8, and not longer than a person reads.
std::string Presentable(const std::string& text) {
  std::string out = ToUtf8(text);
  if (out.size() <= kMaxTextBytes) return out;
  std::size_t end = kMaxTextBytes;
  while ((static_cast<unsigned char>(out[end]) & 0xc0) == 0x80) --end;
  out.resize(end);
  return out + "...";
}

struct CodePair {
  absl::StatusCode absl_code;
  grpc::StatusCode grpc_code;
};
constexpr CodePair kCodes[] = {
    {absl::StatusCode::kOk, grpc::StatusCode::OK},
    {absl::StatusCode::kCancelled, grpc::StatusCode::CANCELLED},
    {absl::StatusCode::kUnknown, grpc::StatusCode::UNKNOWN},
    {absl::StatusCode::kInvalidArgument, grpc::StatusCode::INVALID_ARGUMENT},
    {absl::StatusCode::kDeadlineExceeded, grpc::StatusCode::DEADLINE_EXCEEDED},
    {absl::StatusCode::kNotFound, grpc::StatusCode::NOT_FOUND},
    {absl::StatusCode::kAlreadyExists, grpc::StatusCode::ALREADY_EXISTS},
    {absl::StatusCode::kPermissionDenied, grpc::StatusCode::PERMISSION_DENIED},
    {absl::StatusCode::kResourceExhausted, grpc::StatusCode::RESOURCE_EXHAUSTED},
    {absl::StatusCode::kFailedPrecondition, grpc::StatusCode::FAILED_PRECONDITION},
    {absl::StatusCode::kAborted, grpc::StatusCode::ABORTED},
    {absl::StatusCode::kOutOfRange, grpc::StatusCode::OUT_OF_RANGE},
    {absl::StatusCode::kUnimplemented, grpc::StatusCode::UNIMPLEMENTED},
    {absl::StatusCode::kInternal, grpc::StatusCode::INTERNAL},
    {absl::StatusCode::kUnavailable, grpc::StatusCode::UNAVAILABLE},
    {absl::StatusCode::kDataLoss, grpc::StatusCode::DATA_LOSS},
    {absl::StatusCode::kUnauthenticated, grpc::StatusCode::UNAUTHENTICATED},
};

grpc::StatusCode ToGrpcCode(absl::StatusCode code) {
  for (const CodePair& pair : kCodes) {
    if (pair.absl_code == code) return pair.grpc_code;
  }
  return grpc::StatusCode::UNKNOWN;
}

void AddErrorInfo(const Reason& reason, google::rpc::Status& out) {
  google::rpc::ErrorInfo info;
  info.set_reason(reason.reason);
  info.set_domain(kDomain);
  for (const auto& [key, value] : reason.metadata)
    (*info.mutable_metadata())[key] = Presentable(value);
  out.add_details()->PackFrom(info);
}

void AddBadRequest(const FieldViolation& violation, google::rpc::Status& out) {
  google::rpc::BadRequest request;
  auto* field = request.add_field_violations();
  field->set_field(Presentable(violation.field));
  field->set_description(Presentable(violation.description));
  out.add_details()->PackFrom(request);
}

void AddQuotaFailure(const QuotaViolation& violation, google::rpc::Status& out) {
  google::rpc::QuotaFailure failure;
  auto* added = failure.add_violations();
  added->set_subject(Presentable(violation.subject));
  added->set_description(Presentable(violation.description));
  out.add_details()->PackFrom(failure);
}

void AddRetryInfo(std::chrono::milliseconds delay, google::rpc::Status& out) {
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(delay.count() / 1000);
  retry.mutable_retry_delay()->set_nanos(
      static_cast<std::int32_t>(delay.count() % 1000 * 1'000'000));
  out.add_details()->PackFrom(retry);
}

}  // namespace

google::rpc::Status ToProtoStatus(const absl::Status& status) {
  google::rpc::Status out;
  out.set_code(static_cast<int>(ToGrpcCode(status.code())));
  out.set_message(Presentable(MessageOf(status)));
  if (const auto reason = GetReason(status)) AddErrorInfo(*reason, out);
  if (const auto field = GetField(status)) AddBadRequest(*field, out);
  if (const auto quota = GetQuota(status)) AddQuotaFailure(*quota, out);
  if (const auto delay = GetRetryAfter(status)) AddRetryInfo(*delay, out);
  return out;
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const google::rpc::Status details = ToProtoStatus(status);
  const std::string encoded = details.details().empty() ? "" : details.SerializeAsString();
  return grpc::Status(ToGrpcCode(status.code()), details.message(), encoded);
}

absl::Status DrainingError() {
  return WithRetryAfter(
      WithReason(absl::UnavailableError("the server is draining; ask again, or ask another one"),
                 Reason{"DRAINING", {}}),
      kDrainRetryDelay);
}

absl::Status InvalidField(const std::string& field, const std::string& description) {
  return WithField(absl::InvalidArgumentError(Concat(field, ": ", description)),
                   FieldViolation{field, description});
}

absl::Status UnderField(const absl::Status& status, const std::string& parent) {
  auto violation = GetField(status);
  if (!violation) return status;
  violation->field = Concat(parent, ".", violation->field);
  return WithField(status, *std::move(violation));
}

}  // namespace fetchd::rpc
