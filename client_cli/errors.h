// What went wrong, for people (lines on stderr) and for scripts (the exit code).
#pragma once

#include <grpcpp/support/status.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "google/rpc/status.pb.h"

namespace fetchd::cli {

/// The process's exit codes; scripts rely on them.
enum class ExitCode : int {
  kDone = 0,
  kFetchFailed = 1,
  kUsage = 2,
  kUnreachable = 3,
  kNotFound = 4,
  kRefused = 5,
  kTimeout = 6,
  kInterrupted = 130,
};

/// The google.rpc details that a status carries.
struct ErrorDetails {
  std::string reason;  ///< ErrorInfo's; empty: none.
  std::map<std::string, std::string> metadata;
  std::vector<FieldViolation> violations;
  std::optional<std::chrono::milliseconds> retry_delay;
};
ErrorDetails DetailsOf(const grpc::Status& status);

/// The one table from a call's status to the exit code. UNAVAILABLE means that the service is
/// unreachable or draining, unless an ErrorInfo says that it speaks of the origin.
ExitCode ExitCodeOf(const grpc::Status& status);

/// A job's error: PERMISSION_DENIED is a refusal, everything else a failed fetch.
ExitCode ExitCodeOfJobError(const google::rpc::Status& error);

/// The exit code of many outcomes: kDone without problems, the code that all problems share, else
/// kFetchFailed.
class ExitCodes {
 public:
  void Add(ExitCode code);
  ExitCode Combined() const { return combined_; }

 private:
  ExitCode combined_ = ExitCode::kDone;
};

/// The call ended because the service stops or went away: the same call may succeed on its next
/// start. So does a call that is CANCELLED although nobody here did: it came as the service's last
/// connections were closed.
bool IsInterruption(const grpc::Status& status);

grpc::Status ToGrpc(const absl::Status& status);
grpc::Status ToGrpc(const google::rpc::Status& status);

/// "<message>" and a line for each detail, indented. Never ends in a line end; safe to print.
std::string Explain(const grpc::Status& status);
/// The message alone, on one line; the code's name where there is no message.
std::string OneLine(const google::rpc::Status& error);
std::string CodeName(int code);  ///< "NOT_FOUND"

}  // namespace fetchd::cli
