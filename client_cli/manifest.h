// Manifests: what `submit -i` and `check -i` read.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "fetchd/v1/fetch_service.pb.h"

namespace fetchd::cli {

/// A whole manifest. Only its text is held; requests are made line by line, twice: to find every
/// error before anything is submitted, and to submit.
class Manifest {
 public:
  Manifest(std::string name, std::string text);
  /// Reads `path`; "-" is standard input.
  static absl::StatusOr<Manifest> Read(const std::string& path);

  /// Every error as "<name>:<line>: <message>": lines that do not parse, and request ids that stand
  /// for two different jobs.
  std::vector<std::string> Check() const;

  struct Entry {
    v1::CreateJobRequest request;
    std::string place;  ///< "<name>:<line>"
  };
  /// The next job; nullopt at the end. Only after Check() found nothing.
  std::optional<Entry> Next();

 private:
  std::string name_;
  std::string text_;
  std::size_t position_ = 0;
  std::size_t line_ = 0;
};

/// The URLs of a list: plain lines as they stand, "url" of JSON objects whatever else they hold.
absl::StatusOr<std::vector<std::string>> ReadUrls(const std::string& path);

}  // namespace fetchd::cli
