#include "fetch/attempt.h"

namespace fetchd::fetch {
namespace {

absl::Status InOrderOnly() { return absl::UnimplementedError("this target is written in order"); }

}  // namespace

Task<absl::Status> Target::WriteAhead(std::uint64_t, std::span<const std::byte>) {
  co_return InOrderOnly();
}

Task<absl::StatusOr<std::size_t>> Target::ReadBack(std::uint64_t, std::span<std::byte>) {
  co_return InOrderOnly();
}

Task<absl::Status> Target::Advance(std::uint64_t) { co_return InOrderOnly(); }

}  // namespace fetchd::fetch
