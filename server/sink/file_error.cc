#include "sink/file_error.h"

#include <cerrno>
#include <system_error>

#include "base/strings.h"

namespace fetchd::sink {
namespace {

struct Row {
  int error;
  absl::StatusCode code;
  const char* reason;
  const char* advice;
};

using enum absl::StatusCode;

constexpr Row kRows[] = {
    {ENOSPC, kResourceExhausted, "DISK_FULL", "free space on the files volume"},
    {EDQUOT, kResourceExhausted, "DISK_FULL", "raise the quota of the files volume"},
    {EFBIG, kResourceExhausted, "DISK_FULL",
     "the file system or RLIMIT_FSIZE allows no larger file"},
    // Others let go of descriptors any moment, so these are worth another attempt.
    {EMFILE, kUnavailable, "FILE_IO", "raise RLIMIT_NOFILE or lower limits.transfers"},
    {ENFILE, kUnavailable, "FILE_IO", "the system is out of file descriptors"},
    {EROFS, kPermissionDenied, "FILE_IO", "mount files.root read-write"},
    {EACCES, kPermissionDenied, "FILE_IO", "give the service's user write access"},
    {EPERM, kPermissionDenied, "FILE_IO", "give the service's user write access"},
    {ENAMETOOLONG, kInvalidArgument, "DESTINATION_INVALID", "choose a shorter destination"},
    {EINVAL, kInvalidArgument, "DESTINATION_INVALID", "the file system refuses this name"},
    {EILSEQ, kInvalidArgument, "DESTINATION_INVALID", "the file system refuses this name"},
    {EEXIST, kAlreadyExists, "DESTINATION_EXISTS",
     "overwrite is \"never\": choose another destination"},
    {ELOOP, kFailedPrecondition, "DESTINATION_INVALID",
     "symbolic links are not followed: name the real path"},
    {EXDEV, kFailedPrecondition, "DESTINATION_INVALID", "the path leads out of files.root"},
    {ENOTDIR, kFailedPrecondition, "DESTINATION_INVALID",
     "a segment of the path is a file, not a directory"},
    {EISDIR, kFailedPrecondition, "DESTINATION_INVALID", "a directory is in the way"},
    {ENOTEMPTY, kFailedPrecondition, "DESTINATION_INVALID", "a directory is in the way"},
    {ENOENT, kUnavailable, "FILE_IO", "it was removed meanwhile: the transfer begins anew"},
};

}  // namespace

absl::Status FileError(int error, std::string_view doing, std::string_view path) {
  const std::string what = std::generic_category().message(error);
  for (const Row& row : kRows) {
    if (row.error != error) continue;
    return WithReason(absl::Status(row.code, Concat("cannot ", doing, " \"", path, "\": ", what,
                                                    " (", std::string_view(row.advice), ")")),
                      {row.reason, {}});
  }
  return WithReason(absl::UnavailableError(Concat("cannot ", doing, " \"", path, "\": ", what)),
                    {"FILE_IO", {}});
}

}  // namespace fetchd::sink
