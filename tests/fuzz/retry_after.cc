// Retry-After and dates as an origin sends them.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/http_date.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const fetchd::WallTime now{std::chrono::seconds(1'800'000'000)};
  const auto delay = fetchd::ParseRetryAfter(text, now);
  FETCHD_CHECK(!delay || *delay >= fetchd::Duration::zero());
  const auto date = fetchd::ParseHttpDate(text);
  FETCHD_CHECK(!date || delay);
  return 0;
}
