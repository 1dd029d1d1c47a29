// What a sink wrote down of an upload, read back: it is read or refused, and reads back to itself;
// parts of its plan do not overlap.
#include "sink/upload_note.h"

#include <cstdint>
#include <string_view>

#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using fetchd::sink::UploadNote;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto note = UploadNote::Parse(text);
  if (!note) return 0;
  const auto again = UploadNote::Parse(note->ToString());
  FETCHD_CHECK(again && again->ToString() == note->ToString());
  FETCHD_CHECK(again->plan == note->plan && again->id == note->id);

  for (const int number : {1, 2, 384, 385, fetchd::sink::kMaxParts}) {
    const std::uint64_t begin = note->plan.EndOf(number - 1);
    const std::uint64_t end = note->plan.EndOf(number);
    FETCHD_CHECK(begin < end && end - begin == note->plan.SizeOf(number));
    FETCHD_CHECK(note->plan.PartAt(begin) == number && note->plan.PartAt(end - 1) == number);
  }
  return 0;
}
