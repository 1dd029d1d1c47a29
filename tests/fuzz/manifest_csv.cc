// Manifests as CSV: whatever comes, it is read to its end or refused; what is read can be written
// and read again.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/strings.h"
#include "cli/csv.h"
#include "cli/manifest_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fetchd::cli;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CsvReader reader(text);
  std::size_t last_line = 0;
  for (auto record = reader.Next(); record.ok() && record->has_value(); record = reader.Next()) {
    FETCHD_CHECK((*record)->line > last_line);
    last_line = (*record)->line;
    std::string again;
    for (const std::string& field : (*record)->fields) {
      again += fetchd::Concat(again.empty() ? "" : ",", CsvField(field));
    }
    // A record of one empty field looks like an empty line.
    if (again.empty() || (*record)->fields.front().empty()) continue;
    const auto repeated = CsvReader(again).Next();
    FETCHD_CHECK(repeated.ok() && (*repeated)->fields == (*record)->fields);
  }
  const auto manifest = NewCsvManifestReader(text);
  while (manifest->Next()) {
  }
  FETCHD_CHECK(!manifest->Next());
  return 0;
}
