#include "sink/sink.h"

namespace fetchd::sink {

Task<absl::Status> Sink::WriteAhead(std::uint64_t, std::span<const std::byte>) {
  co_return absl::UnimplementedError("this destination is written in order");
}

Task<absl::Status> Sink::Advance(std::uint64_t) {
  co_return absl::UnimplementedError("this destination is written in order");
}

}  // namespace fetchd::sink
