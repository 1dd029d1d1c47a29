#include "cli/manifest_reader.h"

#include <algorithm>

#include "base/strings.h"
#include "cli/csv.h"
#include "cli/manifest_line.h"

namespace fetchd::cli {
namespace {

class LineReader final : public ManifestReader {
 public:
  LineReader(ManifestFormat format, std::string_view text) : format_(format), text_(text) {}

  std::optional<Item> Next() override {
    while (position_ < text_.size()) {
      const std::string_view text = CutLine(text_, position_);
      ++line_;
      if (IsNothing(text)) continue;
      return Item{line_, static_cast<std::int64_t>(line_), Parse(text)};
    }
    return std::nullopt;
  }

 private:
  absl::StatusOr<v1::CreateJobRequest> Parse(std::string_view text) const {
    const bool json = TrimWhitespace(text).starts_with('{');
    if (format_ == ManifestFormat::kJsonLines && !json) {
      return absl::InvalidArgumentError("not a JSON object");
    }
    if (format_ == ManifestFormat::kLines && json) {
      return absl::InvalidArgumentError("a JSON object: use --format jsonl, or auto");
    }
    ASSIGN_OR_RETURN(auto request, ParseManifestLine(text));
    return *std::move(request);
  }

  ManifestFormat format_;
  std::string_view text_;
  std::size_t position_ = 0;
  std::size_t line_ = 0;
};

bool NamesUrl(std::string_view header) {
  CsvReader reader(header);
  const auto record = reader.Next();
  return record.ok() && record->has_value() &&
         std::ranges::find((*record)->fields, "url") != (*record)->fields.end();
}

}  // namespace

absl::StatusOr<ManifestFormat> ParseManifestFormat(std::string_view text) {
  if (text == "auto") return ManifestFormat::kAuto;
  if (text == "lines") return ManifestFormat::kLines;
  if (text == "jsonl") return ManifestFormat::kJsonLines;
  if (text == "csv") return ManifestFormat::kCsv;
  if (text == "metalink") return ManifestFormat::kMetalink;
  return absl::InvalidArgumentError(
      Concat("\"", text, "\" is not a format: auto, lines, jsonl, csv or metalink"));
}

std::string_view CutLine(std::string_view text, std::size_t& position) {
  const std::size_t end = std::min(text.find('\n', position), text.size());
  std::string_view line = text.substr(position, end - position);
  position = end + 1;
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

ManifestFormat FormatOf(std::string_view text) {
  for (std::size_t position = 0; position < text.size();) {
    const std::string_view line = CutLine(text, position);
    if (IsNothing(line)) continue;
    if (TrimWhitespace(line).starts_with('<')) return ManifestFormat::kMetalink;
    return NamesUrl(line) ? ManifestFormat::kCsv : ManifestFormat::kAuto;
  }
  return ManifestFormat::kAuto;
}

std::unique_ptr<ManifestReader> NewLineReader(ManifestFormat format, std::string_view text) {
  return std::make_unique<LineReader>(format, text);
}

std::unique_ptr<ManifestReader> ReaderOf(ManifestFormat format, std::string_view text) {
  if (format == ManifestFormat::kAuto) format = FormatOf(text);
  if (format == ManifestFormat::kCsv) return NewCsvManifestReader(text);
  if (format == ManifestFormat::kMetalink) return NewMetalinkReader(text);
  return NewLineReader(format, text);
}

}  // namespace fetchd::cli
