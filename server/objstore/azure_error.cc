#include "objstore/azure_error.h"

#include <absl/status/status.h>

#include <array>
#include <string_view>

#include "base/http_date.h"
#include "base/strings.h"
#include "objstore/azure_answers.h"

namespace fetchd::objstore {
namespace {

/// The service refuses what was signed so long before, or so long ahead.
constexpr std::chrono::minutes kMostSkew{15};

using Code = absl::StatusCode;

// Codes of the Blob service and of all of Azure Storage ("Blob service error codes", "Common REST
// API error codes"). What is not here is judged by its HTTP status.
constexpr auto kAzureRules = std::to_array<CodeRule>({
    {"BlobNotFound", Code::kNotFound},
    {"ContainerNotFound", Code::kNotFound},
    {"ResourceNotFound", Code::kNotFound},
    // The blocks of an upload are gone: they were too old, or another write of the blob came first.
    {"InvalidBlockList", Code::kNotFound},
    {"AccountIsDisabled", Code::kPermissionDenied},
    {"AuthenticationFailed", Code::kPermissionDenied},
    {"AuthorizationFailure", Code::kPermissionDenied},
    {"AuthorizationPermissionMismatch", Code::kPermissionDenied},
    {"ContainerDisabled", Code::kPermissionDenied},
    {"InsufficientAccountPermissions", Code::kPermissionDenied},
    {"InvalidAuthenticationInfo", Code::kPermissionDenied},
    {"NoAuthenticationInformation", Code::kPermissionDenied},
    {"PublicAccessNotPermitted", Code::kPermissionDenied},
    {"UnauthorizedBlobOverwrite", Code::kPermissionDenied},
    {"BlobAlreadyExists", Code::kAlreadyExists},
    {"ConditionNotMet", Code::kAlreadyExists},
    {"TargetConditionNotMet", Code::kAlreadyExists},
    {"BlobArchived", Code::kFailedPrecondition},
    {"BlobBeingRehydrated", Code::kFailedPrecondition},
    {"BlobImmutableDueToLegalHold", Code::kFailedPrecondition},
    {"BlobImmutableDueToPolicy", Code::kFailedPrecondition},
    {"BlobOperationNotSupported", Code::kFailedPrecondition},
    {"InvalidBlobOrBlock", Code::kFailedPrecondition},
    {"InvalidBlobType", Code::kFailedPrecondition},
    {"LeaseIdMissing", Code::kFailedPrecondition},
    {"LeaseIdMismatchWithBlobOperation", Code::kFailedPrecondition},
    {"LeaseLost", Code::kFailedPrecondition},
    {"SnapshotsPresent", Code::kFailedPrecondition},
    {"BlockCountExceedsLimit", Code::kResourceExhausted},
    {"Crc64Mismatch", Code::kDataLoss, true},
    {"Md5Mismatch", Code::kDataLoss, true},
    {"AccountBeingCreated", Code::kUnavailable, true},
    {"ContainerBeingDeleted", Code::kUnavailable, true},
    {"InternalError", Code::kUnavailable, true},
    {"OperationTimedOut", Code::kUnavailable, true},
    {"ServerBusy", Code::kUnavailable, true},
    {"InvalidRange", Code::kOutOfRange},
});

/// It says "AuthenticationFailed" to a wrong time as to a wrong key.
bool IsOurClock(std::string_view code, std::optional<WallTime> theirs, WallTime now) {
  if (code != "AuthenticationFailed" || !theirs) return false;
  return (*theirs < now ? now - *theirs : *theirs - now) > kMostSkew;
}

std::string AzureAdvice(std::string_view code, bool by_key) {
  if (code == "AuthenticationFailed") {
    return by_key ? "is the account's key the right one?"
                  : "is the shared access signature the right one, and has it not expired?";
  }
  if (code == "AuthorizationPermissionMismatch" && !by_key) {
    return "a shared access signature needs the permissions r, c and w, and t for tags";
  }
  if (code == "InvalidBlobOrBlock") {
    return "blocks that another program has begun to send to this blob have ids of another length: "
           "it may go on once they are a week old";
  }
  return {};
}

}  // namespace

StoreFailure JudgeAzureFailure(const StoreContext& context, const Answer& answer, WallTime now,
                               bool by_key) {
  AzureErrorBody body = ReadAzureError(answer.body).value_or(AzureErrorBody());
  if (body.code.empty()) body.code = answer.headers.Get("x-ms-error-code");
  CodeRule rule = RuleIn(kAzureRules, body.code, answer.status);
  ErrorWords words{.code = body.code,
                   .message = body.message,
                   .request_id = std::string(answer.headers.Get("x-ms-request-id")),
                   .host_id = {},
                   .advice = AzureAdvice(body.code, by_key)};
  const std::optional<WallTime> theirs = ParseHttpDate(answer.headers.Get("Date"));
  if (by_key && IsOurClock(body.code, theirs, now)) {
    rule.status = Code::kFailedPrecondition;
    words.advice = ClockAdvice(theirs, now);
  }
  StoreFailure failure = MakeFailure(context, words, rule, answer.status);
  failure.cool_down = CoolDownAfter(answer, body.code == "ServerBusy", now);
  return failure;
}

}  // namespace fetchd::objstore
