// The forms of a manifest, behind one way to read them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/status.h"
#include "fetchd/v1/fetch_service.pb.h"

namespace fetchd::cli {

enum class ManifestFormat {
  kAuto,       ///< What it looks like: see FormatOf.
  kLines,      ///< URL, or URL<TAB>destination, a line.
  kJsonLines,  ///< A JSON object a line.
  kCsv,        ///< RFC 4180, the names of the columns first.
  kMetalink,   ///< Metalink 4 (RFC 5854).
};
/// "auto", "lines", "jsonl", "csv", "metalink".
absl::StatusOr<ManifestFormat> ParseManifestFormat(std::string_view text);

/// kMetalink for XML, kCsv when the first line is comma-separated and names a column "url", else
/// kAuto: lines, JSON or not, each as it is.
ManifestFormat FormatOf(std::string_view text);

/// Entries one after another. The text outlives it.
class ManifestReader {
 public:
  struct Item {
    std::size_t line = 0;     ///< Where it begins; from 1.
    std::int64_t number = 0;  ///< Another one for each entry of a text: its line, but in Metalink
                              ///< the file's place among the files.
    absl::StatusOr<v1::CreateJobRequest> request;
  };
  virtual ~ManifestReader() = default;
  /// nullopt at the end. Goes on behind an entry that is wrong, but not where the rest cannot be
  /// told apart.
  virtual std::optional<Item> Next() = 0;
};

std::unique_ptr<ManifestReader> ReaderOf(ManifestFormat format, std::string_view text);
/// Of one form each.
std::unique_ptr<ManifestReader> NewLineReader(ManifestFormat format, std::string_view text);
std::unique_ptr<ManifestReader> NewCsvManifestReader(std::string_view text);
std::unique_ptr<ManifestReader> NewMetalinkReader(std::string_view text);

/// Cuts the next line off; `position` moves behind its end.
std::string_view CutLine(std::string_view text, std::size_t& position);

}  // namespace fetchd::cli
