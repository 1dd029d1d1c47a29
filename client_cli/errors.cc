#include "cli/errors.h"

#include <google/protobuf/util/time_util.h>

#include "base/strings.h"
#include "cli/values.h"
#include "google/rpc/error_details.pb.h"

namespace fetchd::cli {
namespace {

/// Reasons of UNAVAILABLE that speak of the service itself; without one the transport failed.
bool SpeaksOfService(const std::string& reason) {
  return reason.empty() || reason == "INTERRUPTED" || reason == "DRAINING";
}

}  // namespace

ErrorDetails DetailsOf(const grpc::Status& status) {
  ErrorDetails details;
  google::rpc::Status rich;
  if (!rich.ParseFromString(status.error_details())) return details;
  for (const auto& any : rich.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad;
    google::rpc::RetryInfo retry;
    if (any.UnpackTo(&info)) {
      details.reason = info.reason();
      details.metadata.insert(info.metadata().begin(), info.metadata().end());
    } else if (any.UnpackTo(&bad)) {
      for (const auto& violation : bad.field_violations()) {
        details.violations.push_back({violation.field(), violation.description()});
      }
    } else if (any.UnpackTo(&retry)) {
      details.retry_delay = std::chrono::milliseconds(
          google::protobuf::util::TimeUtil::DurationToMilliseconds(retry.retry_delay()));
    }
  }
  return details;
}

ExitCode ExitCodeOf(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::OK:
      return ExitCode::kDone;
    case grpc::StatusCode::INVALID_ARGUMENT:
      return ExitCode::kUsage;
    case grpc::StatusCode::CANCELLED:
    case grpc::StatusCode::UNAVAILABLE:
      return IsInterruption(status) ? ExitCode::kUnreachable : ExitCode::kFetchFailed;
    case grpc::StatusCode::NOT_FOUND:
      return ExitCode::kNotFound;
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
      return ExitCode::kRefused;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return ExitCode::kTimeout;
    default:
      return ExitCode::kFetchFailed;
  }
}

ExitCode ExitCodeOfJobError(const google::rpc::Status& error) {
  return error.code() == grpc::StatusCode::PERMISSION_DENIED ? ExitCode::kRefused
                                                             : ExitCode::kFetchFailed;
}

void ExitCodes::Add(ExitCode code) {
  if (code == ExitCode::kDone || code == combined_) return;
  combined_ = combined_ == ExitCode::kDone ? code : ExitCode::kFetchFailed;
}

bool IsInterruption(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      return SpeaksOfService(DetailsOf(status).reason);
    case grpc::StatusCode::CANCELLED:
      return DetailsOf(status).reason.empty();
    default:
      return false;
  }
}

grpc::Status ToGrpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), MessageOf(status)};
}

grpc::Status ToGrpc(const google::rpc::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), status.message(),
          status.SerializeAsString()};
}

std::string Explain(const grpc::Status& status) {
  std::string out = Printable(status.error_message());
  if (out.empty()) out = CodeName(status.error_code());
  const ErrorDetails details = DetailsOf(status);
  for (const FieldViolation& violation : details.violations) {
    out += Concat("\n  ", Printable(violation.field), ": ", Printable(violation.description));
  }
  if (!details.reason.empty()) {
    out += Concat("\n  reason: ", Printable(details.reason));
    for (const auto& [key, value] : details.metadata) {
      out += Concat(" ", Printable(key), "=", Printable(value));
    }
  }
  if (details.retry_delay) out += Concat("\n  retry after ", FormatDuration(*details.retry_delay));
  return out;
}

std::string OneLine(const google::rpc::Status& error) {
  return error.message().empty() ? CodeName(error.code()) : Printable(error.message());
}

std::string CodeName(int code) {
  return absl::StatusCodeToString(static_cast<absl::StatusCode>(code));
}

}  // namespace fetchd::cli
