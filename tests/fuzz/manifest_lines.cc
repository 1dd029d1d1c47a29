// Manifests as lines and as JSON lines: each line is read or refused with its number, in order.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "cli/manifest_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fetchd::cli;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto format :
       {ManifestFormat::kAuto, ManifestFormat::kLines, ManifestFormat::kJsonLines}) {
    const auto reader = NewLineReader(format, text);
    std::size_t last_line = 0;
    while (const auto item = reader->Next()) {
      FETCHD_CHECK(item->line > last_line);
      last_line = item->line;
      if (!item->request.ok()) continue;
      FETCHD_CHECK(item->request->job().spec().urls_size() > 0);
    }
    FETCHD_CHECK(last_line <= size + 1);
  }
  return 0;
}
