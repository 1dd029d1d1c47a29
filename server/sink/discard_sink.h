// Counts bytes and keeps none.
#pragma once

#include "sink/sink.h"

namespace fetchd::sink {

/// Keeps nothing, so nothing can be resumed: Open returns 0.
class DiscardSink final : public Sink {
 public:
  Task<absl::StatusOr<std::uint64_t>> Open(std::uint64_t resume_bytes) override;
  Task<absl::Status> Restart() override;
  Task<absl::StatusOr<std::size_t>> ReadBack(std::uint64_t offset,
                                             std::span<std::byte> out) override;
  Task<absl::Status> Write(std::span<const std::byte> bytes) override;
  Task<absl::StatusOr<std::uint64_t>> Checkpoint() override;
  Task<absl::StatusOr<Receipt>> Commit() override;
  Task<absl::Status> Abort() override;

 private:
  std::uint64_t size_bytes_ = 0;
};

}  // namespace fetchd::sink
