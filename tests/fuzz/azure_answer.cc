// The bodies of Azure's answers: whatever comes is read or refused, and what is read is bounded.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "objstore/azure_answers.h"
#include "objstore/azure_block_id.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  if (const auto error = fetchd::objstore::ReadAzureError(body)) {
    FETCHD_CHECK(error->message.find('\n') == std::string::npos);
  }
  const auto lists = fetchd::objstore::ReadBlockLists(body);
  FETCHD_CHECK(lists.ok() || absl::IsDataLoss(lists.status()));
  if (!lists.ok()) return 0;
  FETCHD_CHECK(lists->committed.size() + lists->uncommitted.size() <= size);
  for (const auto& block : lists->uncommitted) {
    const auto place = fetchd::objstore::ParseBlockId(block.id);
    if (!place) continue;
    FETCHD_CHECK(fetchd::objstore::BlockId(place->upload, place->number) == block.id);
  }
  return 0;
}
