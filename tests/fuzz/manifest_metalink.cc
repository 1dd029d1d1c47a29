// Manifests as Metalink: whatever comes, it is read to its end or refused, and no file's
// destination leaves its folder.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "cli/manifest_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto reader = fetchd::cli::NewMetalinkReader(text);
  while (const auto item = reader->Next()) {
    if (!item->request.ok()) continue;
    const std::string_view destination = item->request->job().destination();
    FETCHD_CHECK(destination.starts_with("file:") && !destination.starts_with("file:/"));
    FETCHD_CHECK(destination.find("/../") == std::string_view::npos);
    FETCHD_CHECK(!destination.ends_with("/..") && !destination.starts_with("file:../"));
    FETCHD_CHECK(item->request->job().spec().urls_size() > 0);
  }
  FETCHD_CHECK(!reader->Next());
  return 0;
}
