#include "cli/csv.h"

#include <algorithm>

#include "base/strings.h"

namespace fetchd::cli {

bool CsvReader::TakeLineEnd() {
  std::size_t length = 0;
  if (text_.substr(position_).starts_with("\r\n")) length = 2;
  if (text_.substr(position_).starts_with('\n')) length = 1;
  position_ += length;
  next_line_ += length > 0 ? 1 : 0;
  return length > 0;
}

absl::StatusOr<std::optional<CsvReader::Record>> CsvReader::Next() {
  while (TakeLineEnd()) {
  }
  line_ = next_line_;
  if (position_ >= text_.size()) return std::nullopt;
  Record record{line_, {}};
  while (true) {
    const absl::Status read = ReadField(record.fields.emplace_back());
    if (!read.ok()) {
      position_ = text_.size();
      return read;
    }
    if (position_ >= text_.size() || TakeLineEnd()) return record;
    ++position_;  // The comma: ReadField stops at nothing else.
  }
}

absl::Status CsvReader::ReadField(std::string& field) {
  if (text_.substr(position_).starts_with('"')) return ReadQuoted(field);
  const std::size_t end = std::min(text_.find_first_of(",\r\n\"", position_), text_.size());
  field = text_.substr(position_, end - position_);
  position_ = end;
  if (end == text_.size() || text_[end] == ',' || text_[end] == '\n') return absl::OkStatus();
  if (text_[end] == '"') {
    return absl::InvalidArgumentError(
        "a quote within a field: put the whole field in quotes, and double those inside");
  }
  if (text_.substr(end).starts_with("\r\n")) return absl::OkStatus();
  return absl::InvalidArgumentError("a carriage return that ends no line");
}

absl::Status CsvReader::ReadQuoted(std::string& field) {
  ++position_;
  while (true) {
    const std::size_t quote = text_.find('"', position_);
    if (quote == std::string_view::npos) {
      return absl::InvalidArgumentError("a quoted field does not end");
    }
    const std::string_view piece = text_.substr(position_, quote - position_);
    field += piece;
    next_line_ += static_cast<std::size_t>(std::ranges::count(piece, '\n'));
    position_ = quote + 1;
    if (!text_.substr(position_).starts_with('"')) break;
    field += '"';
    ++position_;
  }
  const std::string_view rest = text_.substr(position_);
  const bool ends =
      rest.empty() || rest.starts_with(',') || rest.starts_with('\n') || rest.starts_with("\r\n");
  if (ends) return absl::OkStatus();
  return absl::InvalidArgumentError("text behind the closing quote of a field");
}

std::string CsvField(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

}  // namespace fetchd::cli
