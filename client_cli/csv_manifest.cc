// Manifests as CSV: the first record names the columns, each other one is an entry.
#include <algorithm>
#include <iterator>
#include <set>
#include <vector>

#include "base/strings.h"
#include "cli/csv.h"
#include "cli/manifest_line.h"
#include "cli/manifest_reader.h"
#include "cli/values.h"

namespace fetchd::cli {
namespace {

constexpr std::string_view kLabelPrefix = "label.";
constexpr std::string_view kHeaderPrefix = "header.";

std::vector<std::string> CellWords(std::string_view text) {
  std::vector<std::string> words;
  while (true) {
    text = TrimWhitespace(text);
    if (text.empty()) return words;
    const std::size_t end = std::min(text.find(' '), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

absl::Status SetUrls(const std::string& text, v1::CreateJobRequest& request) {
  for (std::string& url : CellWords(text))
    request.mutable_job()->mutable_spec()->add_urls(std::move(url));
  if (request.job().spec().urls_size() <= 16) return absl::OkStatus();
  return absl::InvalidArgumentError("more than 16 URLs");
}

absl::Status SetDestination(const std::string& text, v1::CreateJobRequest& request) {
  request.mutable_job()->set_destination(text);
  return absl::OkStatus();
}

absl::Status SetSha256(const std::string& text, v1::CreateJobRequest& request) {
  ASSIGN_OR_RETURN(std::string digest, Sha256Digest(text));
  request.mutable_job()->mutable_spec()->add_digests(std::move(digest));
  return absl::OkStatus();
}

absl::Status SetDigests(const std::string& text, v1::CreateJobRequest& request) {
  for (const std::string& word : CellWords(text)) {
    ASSIGN_OR_RETURN(std::string digest, CheckDigest(word));
    request.mutable_job()->mutable_spec()->add_digests(std::move(digest));
  }
  return absl::OkStatus();
}

absl::Status SetSize(const std::string& text, v1::CreateJobRequest& request) {
  const auto size = ParseDecimal(text);
  if (!size) return absl::InvalidArgumentError("not a whole number of bytes");
  request.mutable_job()->mutable_spec()->set_expected_size(*size);
  return absl::OkStatus();
}

absl::Status SetRequestId(const std::string& text, v1::CreateJobRequest& request) {
  request.set_request_id(text);
  return absl::OkStatus();
}

absl::Status SetPriority(const std::string& text, v1::CreateJobRequest& request) {
  const bool negative = text.starts_with('-');
  const auto value = ParseDecimal<std::uint32_t>(std::string_view(text).substr(negative ? 1 : 0));
  if (!value || *value > 100) {
    return absl::InvalidArgumentError("not a whole number from -100 to 100");
  }
  const auto priority = static_cast<std::int32_t>(*value);
  request.mutable_job()->set_priority(negative ? -priority : priority);
  return absl::OkStatus();
}

absl::Status SetOverwrite(const std::string& text, v1::CreateJobRequest& request) {
  ASSIGN_OR_RETURN(const v1::Job::Overwrite overwrite, ParseOverwrite(text));
  request.mutable_job()->set_overwrite(overwrite);
  return absl::OkStatus();
}

absl::Status SetRange(const std::string& text, v1::CreateJobRequest& request) {
  ASSIGN_OR_RETURN(const ByteRange range, ParseRange(text));
  *request.mutable_job()->mutable_spec()->mutable_range() = ToProto(range);
  return absl::OkStatus();
}

absl::Status SetNothing(const std::string&, v1::CreateJobRequest&) { return absl::OkStatus(); }

struct CsvColumn {
  std::string name;
  absl::Status (*read)(const std::string&, v1::CreateJobRequest&);
};

// `results` writes "entry" and "error", so that what it writes can be read again.
const CsvColumn kCsvColumns[] = {
    {"url", SetUrls},          {"destination", SetDestination},
    {"sha256", SetSha256},     {"digests", SetDigests},
    {"size", SetSize},         {"request_id", SetRequestId},
    {"priority", SetPriority}, {"overwrite", SetOverwrite},
    {"range", SetRange},       {"entry", SetNothing},
    {"error", SetNothing},
};

/// What one column of this manifest does.
struct Use {
  std::string name;
  const CsvColumn* column = nullptr;  ///< Null: a label or a header.
};

bool IsNamed(std::string_view name, std::string_view prefix) {
  return name.starts_with(prefix) && name.size() > prefix.size();
}

absl::StatusOr<std::vector<Use>> ReadHeader(const std::vector<std::string>& names) {
  std::vector<Use> uses;
  std::set<std::string> seen;
  for (const std::string& name : names) {
    const auto* column = std::ranges::find(kCsvColumns, name, &CsvColumn::name);
    const bool known = column != std::end(kCsvColumns);
    if (!known && !IsNamed(name, kLabelPrefix) && !IsNamed(name, kHeaderPrefix)) {
      return absl::InvalidArgumentError(
          Concat("unknown column \"", name,
                 "\": url, destination, sha256, digests, size, request_id, priority, overwrite, "
                 "range, label.<key>, header.<Name>"));
    }
    if (!seen.insert(name).second) {
      return absl::InvalidArgumentError(Concat("column \"", name, "\" is there twice"));
    }
    uses.push_back({name, known ? column : nullptr});
  }
  if (seen.contains("url")) return uses;
  return absl::InvalidArgumentError("no column \"url\" in the first line");
}

absl::Status ReadCell(const Use& use, const std::string& text, v1::CreateJobRequest& request) {
  if (text.empty()) return absl::OkStatus();  // Not said.
  if (use.column != nullptr) {
    return WithPrefix(use.column->read(text, request), Concat("column \"", use.name, "\""));
  }
  if (use.name.starts_with(kLabelPrefix)) {
    (*request.mutable_job()->mutable_labels())[use.name.substr(kLabelPrefix.size())] = text;
    return absl::OkStatus();
  }
  v1::Header* header = request.mutable_job()->mutable_spec()->add_headers();
  header->set_name(use.name.substr(kHeaderPrefix.size()));
  header->set_value(text);
  return absl::OkStatus();
}

class CsvManifestReader final : public ManifestReader {
 public:
  explicit CsvManifestReader(std::string_view text) : csv_(text) {}

  std::optional<Item> Next() override {
    if (done_) return std::nullopt;
    if (uses_.empty()) {
      const absl::Status header = TakeHeader();
      if (!header.ok()) return Fail(header);
    }
    const auto record = csv_.Next();
    if (!record.ok()) return Fail(record.status());
    if (!record->has_value()) return std::nullopt;
    return Item{csv_.line(), static_cast<std::int64_t>(csv_.line()), ReadEntry((*record)->fields)};
  }

 private:
  absl::Status TakeHeader() {
    ASSIGN_OR_RETURN(const auto record, csv_.Next());
    if (!record) return absl::InvalidArgumentError("no line that names the columns");
    ASSIGN_OR_RETURN(uses_, ReadHeader(record->fields));
    return absl::OkStatus();
  }

  absl::StatusOr<v1::CreateJobRequest> ReadEntry(const std::vector<std::string>& fields) const {
    if (fields.size() != uses_.size()) {
      return absl::InvalidArgumentError(
          Concat(fields.size(), " fields where the first line names ", uses_.size()));
    }
    v1::CreateJobRequest request;
    for (std::size_t i = 0; i < fields.size(); ++i) {
      RETURN_IF_ERROR(ReadCell(uses_[i], fields[i], request));
    }
    if (request.job().spec().urls_size() > 0) return request;
    return absl::InvalidArgumentError("no URL");
  }

  Item Fail(const absl::Status& status) {
    done_ = true;
    return Item{csv_.line(), static_cast<std::int64_t>(csv_.line()), status};
  }

  CsvReader csv_;
  std::vector<Use> uses_;
  bool done_ = false;
};

}  // namespace

std::unique_ptr<ManifestReader> NewCsvManifestReader(std::string_view text) {
  return std::make_unique<CsvManifestReader>(text);
}

}  // namespace fetchd::cli
