#include "sink/file_sink.h"

#include <utility>

namespace fetchd::sink {

FileSink::FileSink(SyncGroup& commits, runtime::BlockingPool& pool, PartFile part)
    : commits_(commits), pool_(pool), part_(std::move(part)) {}

absl::Status FileSink::EnsureOpen() {
  return part_.is_open() ? absl::OkStatus() : part_.Open(0).status();
}

Task<absl::StatusOr<std::uint64_t>> FileSink::Open(std::uint64_t resume_bytes) {
  if (resume_bytes == 0 && part_.CanOpenLater()) co_return 0;
  co_return co_await pool_.Run([this, resume_bytes] { return part_.Open(resume_bytes); });
}

Task<absl::Status> FileSink::Restart() {
  if (!part_.is_open()) co_return absl::OkStatus();  // The first write truncates.
  co_return co_await pool_.Run([this] { return part_.Truncate(); });
}

Task<absl::StatusOr<std::size_t>> FileSink::ReadBack(std::uint64_t offset,
                                                     std::span<std::byte> out) {
  co_return co_await pool_.Run([this, offset, out] { return part_.ReadAt(offset, out); });
}

Task<absl::Status> FileSink::Write(std::span<const std::byte> bytes) {
  co_return co_await pool_.Run([this, bytes]() -> absl::Status {
    RETURN_IF_ERROR(EnsureOpen());
    return part_.Append(bytes);
  });
}

Task<absl::Status> FileSink::WriteAhead(std::uint64_t offset, std::span<const std::byte> bytes) {
  co_return co_await pool_.Run([this, offset, bytes]() -> absl::Status {
    RETURN_IF_ERROR(EnsureOpen());
    return part_.WriteAhead(offset, bytes);
  });
}

Task<absl::Status> FileSink::Advance(std::uint64_t bytes) {
  co_return co_await pool_.Run([this, bytes] { return part_.Advance(bytes); });
}

Task<absl::StatusOr<std::uint64_t>> FileSink::Checkpoint() {
  co_return co_await pool_.Run([this]() -> absl::StatusOr<std::uint64_t> {
    if (!part_.is_open()) return 0;
    RETURN_IF_ERROR(part_.Checkpoint());
    return part_.size_bytes();
  });
}

// Discards the temporary file when the destination is left as it is, once that is durable.
absl::StatusOr<bool> FileSink::IsAlreadyThere() {
  RETURN_IF_ERROR(EnsureOpen());
  if (part_.overwrite() != OverwritePolicy::kIfDifferent) return false;
  ASSIGN_OR_RETURN(const bool same, part_.MatchesDestination());
  if (same) RETURN_IF_ERROR(part_.Discard());
  return same;
}

Task<absl::StatusOr<Receipt>> FileSink::Commit() {
  CO_RETURN_IF_ERROR(part_.CheckWhole());
  Receipt receipt{part_.url(), part_.size_bytes(), false};
  if (!part_.is_open() || part_.overwrite() == OverwritePolicy::kIfDifferent) {
    const absl::StatusOr<bool> there = co_await pool_.Run([this] { return IsAlreadyThere(); });
    CO_RETURN_IF_ERROR(there.status());
    receipt.unchanged = *there;
    if (*there) co_return receipt;
  }
  CO_RETURN_IF_ERROR(co_await commits_.Commit(part_));
  co_return receipt;
}

Task<absl::Status> FileSink::Abort() {
  co_return co_await pool_.Run([this] { return part_.Discard(); });
}

}  // namespace fetchd::sink
