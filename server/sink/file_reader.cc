#include "sink/file_reader.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/strings.h"
#include "sink/file_error.h"

namespace fetchd::sink {
absl::StatusOr<std::unique_ptr<Reader>> FileReader::Open(const FileTree& tree, std::string path,
                                                         std::uint64_t offset,
                                                         runtime::BlockingPool& pool) {
  // O_NONBLOCK: a FIFO put there must not hold the thread.
  ASSIGN_OR_RETURN(UniqueFd fd, tree.OpenFile(path, O_RDONLY | O_NONBLOCK));
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return FileError(errno, "open", path);
  if (!S_ISREG(info.st_mode)) {
    return absl::FailedPreconditionError(Concat("\"", path, "\" is not a regular file"));
  }
  const auto size_bytes = static_cast<std::uint64_t>(info.st_size);
  if (offset > size_bytes) {
    return absl::OutOfRangeError(
        Concat("offset ", offset, " is beyond the end: the body has ", size_bytes, " bytes"));
  }
  return std::unique_ptr<Reader>(
      new FileReader(std::move(fd), std::move(path), size_bytes, offset, pool));
}

Task<absl::StatusOr<std::size_t>> FileReader::Read(Buffer& into) {
  const std::span<std::byte> out = into.free_space();
  const absl::StatusOr<std::size_t> got =
      co_await pool_.Run([this, out] { return ReadAtFully(fd_.get(), offset_, out, path_); });
  CO_RETURN_IF_ERROR(got.status());
  offset_ += *got;
  into.Grow(*got);
  co_return *got;
}

}  // namespace fetchd::sink
