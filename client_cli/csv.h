// CSV as RFC 4180 has it, strictly: fields in quotes may hold anything, others neither quotes nor
// commas nor line ends. Lines end in CRLF or LF.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace fetchd::cli {

/// Reads records one after another. `text` outlives it. Empty lines are no records.
class CsvReader {
 public:
  explicit CsvReader(std::string_view text) : text_(text) {}

  struct Record {
    std::size_t line = 0;  ///< Where it begins; from 1.
    std::vector<std::string> fields;
  };
  /// nullopt at the end. INVALID_ARGUMENT for what is not CSV: then there is nothing more to read.
  absl::StatusOr<std::optional<Record>> Next();
  /// Of the record, or of the error, that Next() answered last.
  std::size_t line() const { return line_; }

 private:
  absl::Status ReadField(std::string& field);
  absl::Status ReadQuoted(std::string& field);
  /// Moves over a line end; false when there is none here.
  bool TakeLineEnd();

  std::string_view text_;
  std::size_t position_ = 0;
  std::size_t next_line_ = 1;  ///< That `position_` is in.
  std::size_t line_ = 0;
};

/// In quotes where it needs them.
std::string CsvField(std::string_view text);

}  // namespace fetchd::cli
