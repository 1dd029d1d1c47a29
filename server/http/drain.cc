#include "http/drain.h"

#include <algorithm>
#include <array>

namespace fetchd::http {

Task<void> DrainWhatIsHere(Response& response) {
  constexpr std::uint64_t kMaxDrainBytes = 128 * 1024;
  if (response.content_length.value_or(kMaxDrainBytes + 1) > kMaxDrainBytes) co_return;
  std::array<std::byte, 8192> scratch;
  std::uint64_t left = *response.content_length;
  while (left > 0 && response.body->Buffered() > 0) {
    const absl::StatusOr<std::size_t> read = co_await response.body->Read(scratch);
    if (!read.ok() || *read == 0) co_return;
    left -= std::min<std::uint64_t>(left, *read);
  }
}

}  // namespace fetchd::http
