// A file under the root, published whole.
#pragma once

#include "runtime/blocking_pool.h"
#include "sink/part_file.h"
#include "sink/sink.h"
#include "sink/sync_group.h"

namespace fetchd::sink {

/// See Sink. References outlive it. Opening from zero is put off to the first write, so that a
/// small file costs two visits to the blocking pool: one to open and write, one (shared) to commit.
class FileSink final : public Sink {
 public:
  FileSink(SyncGroup& commits, runtime::BlockingPool& pool, PartFile part);

  Task<absl::StatusOr<std::uint64_t>> Open(std::uint64_t resume_bytes) override;
  Task<absl::Status> Restart() override;
  Task<absl::StatusOr<std::size_t>> ReadBack(std::uint64_t offset,
                                             std::span<std::byte> out) override;
  Task<absl::Status> Write(std::span<const std::byte> bytes) override;
  bool CanWriteAhead() const override { return true; }
  Task<absl::Status> WriteAhead(std::uint64_t offset, std::span<const std::byte> bytes) override;
  Task<absl::Status> Advance(std::uint64_t bytes) override;
  Task<absl::StatusOr<std::uint64_t>> Checkpoint() override;
  Task<absl::StatusOr<Receipt>> Commit() override;
  Task<absl::Status> Abort() override;

 private:
  absl::Status EnsureOpen();
  absl::StatusOr<bool> IsAlreadyThere();

  SyncGroup& commits_;
  runtime::BlockingPool& pool_;
  PartFile part_;
};

}  // namespace fetchd::sink
