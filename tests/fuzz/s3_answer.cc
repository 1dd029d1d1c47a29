// The bodies of a store's answers: whatever comes is read or refused, and what is read is bounded.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "objstore/s3_answers.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  fetchd::objstore::ReadError(body);
  if (const auto id = fetchd::objstore::ReadBegunUpload(body); id.ok()) FETCHD_CHECK(!id->empty());
  const auto complete = fetchd::objstore::ReadCompletedUpload(body);
  FETCHD_CHECK(complete.ok() || absl::IsDataLoss(complete.status()));
  if (const auto page = fetchd::objstore::ReadParts(body); page.ok()) {
    for (const auto& part : page->parts) FETCHD_CHECK(part.number >= 1 && part.number <= 10'000);
    FETCHD_CHECK(page->parts.size() <= size);
  }
  for (const bool encoded : {false, true}) {
    const auto page = fetchd::objstore::ReadUploads(body, encoded);
    if (!page.ok()) continue;
    for (const auto& upload : page->uploads) {
      FETCHD_CHECK(!upload.key.empty() && !upload.id.empty());
    }
    FETCHD_CHECK(!page->next || !page->next->key.empty());
  }
  fetchd::objstore::ParseS3Time(body);
  return 0;
}
