// Manifests: what `submit -i`, `batch create -i` and `check -i` read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "cli/console.h"
#include "cli/manifest_reader.h"
#include "fetchd/v1/fetch_service.pb.h"

namespace fetchd::cli {

/// A whole manifest, of any format. Only its text is held; requests are made entry by entry, twice:
/// to find every error before anything is submitted, and to submit.
class Manifest {
 public:
  Manifest(std::string name, std::string text, ManifestFormat format = ManifestFormat::kAuto);
  /// Reads `path`; "-" is standard input.
  static absl::StatusOr<Manifest> Read(const std::string& path, ManifestFormat format);
  /// Read, and Check, whose errors are reported. INVALID_ARGUMENT then: nothing is to be submitted.
  static absl::StatusOr<Manifest> ReadChecked(const std::string& path, ManifestFormat format,
                                              const Console& console);

  /// Every error as "<name>:<line>: <message>": entries that do not parse, and request ids that
  /// stand for two different jobs.
  std::vector<std::string> Check() const;

  struct Entry {
    v1::CreateJobRequest request;
    std::string place;        ///< "<name>:<line>"
    std::int64_t number = 0;  ///< Of this entry alone: see ManifestReader.
  };
  /// The next job; nullopt at the end. Only after Check() found nothing.
  std::optional<Entry> Next();

 private:
  std::string name_;
  std::unique_ptr<const std::string> text_;  ///< Does not move: the reader looks at it.
  ManifestFormat format_;
  std::unique_ptr<ManifestReader> reader_;
};

/// The URLs of a list of lines: plain ones as they stand, "url" of JSON objects whatever else they
/// hold.
absl::StatusOr<std::vector<std::string>> ReadUrls(const std::string& path);

}  // namespace fetchd::cli
