#include "sink/discard_sink.h"

namespace fetchd::sink {

Task<absl::StatusOr<std::uint64_t>> DiscardSink::Open(std::uint64_t) {
  size_bytes_ = 0;
  co_return 0;
}

Task<absl::Status> DiscardSink::Restart() {
  size_bytes_ = 0;
  co_return absl::OkStatus();
}

Task<absl::StatusOr<std::size_t>> DiscardSink::ReadBack(std::uint64_t, std::span<std::byte>) {
  co_return 0;
}

Task<absl::Status> DiscardSink::Write(std::span<const std::byte> bytes) {
  size_bytes_ += bytes.size();
  co_return absl::OkStatus();
}

Task<absl::StatusOr<std::uint64_t>> DiscardSink::Checkpoint() { co_return 0; }

Task<absl::StatusOr<Receipt>> DiscardSink::Commit() { co_return Receipt{"discard:", size_bytes_}; }

Task<absl::Status> DiscardSink::Abort() { co_return absl::OkStatus(); }

}  // namespace fetchd::sink
