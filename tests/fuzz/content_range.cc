// Content-Range as an origin sends it.
#include <cstdint>
#include <string_view>

#include "base/byte_range.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parsed = fetchd::ParseContentRange(text);
  if (!parsed) return 0;
  FETCHD_CHECK(parsed->range || parsed->complete_length);
  if (!parsed->range) return 0;
  FETCHD_CHECK(parsed->range->last && *parsed->range->last >= parsed->range->first);
  FETCHD_CHECK(!parsed->complete_length || *parsed->range->last < *parsed->complete_length);
  return 0;
}
