#include "cli/manifest.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <iostream>
#include <iterator>
#include <unordered_map>

#include "base/strings.h"
#include "cli/config.h"
#include "cli/manifest_line.h"
#include "cli/values.h"

namespace fetchd::cli {
namespace {

/// Equal for equal jobs, however their lines are written.
std::size_t ContentHash(const v1::CreateJobRequest& request) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    request.SerializeToCodedStream(&coded);
  }
  return std::hash<std::string>()(bytes);
}

absl::StatusOr<std::string> ReadInput(const std::string& path) {
  if (path != "-") return ReadFile(path);
  return std::string(std::istreambuf_iterator<char>(std::cin), {});
}

std::string_view WithoutBom(std::string_view text) {
  return text.starts_with("\xef\xbb\xbf") ? text.substr(3) : text;
}

}  // namespace

Manifest::Manifest(std::string name, std::string text, ManifestFormat format)
    : name_(std::move(name)),
      text_(std::make_unique<const std::string>(WithoutBom(text))),
      format_(format) {}

absl::StatusOr<Manifest> Manifest::Read(const std::string& path, ManifestFormat format) {
  ASSIGN_OR_RETURN(std::string text, ReadInput(path));
  return Manifest(path == "-" ? "stdin" : path, std::move(text), format);
}

absl::StatusOr<Manifest> Manifest::ReadChecked(const std::string& path, ManifestFormat format,
                                               const Console& console) {
  ASSIGN_OR_RETURN(Manifest manifest, Read(path, format));
  const std::vector<std::string> errors = manifest.Check();
  for (const std::string& error : errors) console.Report(ExitCode::kUsage, Printable(error));
  if (errors.empty()) return manifest;
  return absl::InvalidArgumentError(Concat(errors.size(),
                                           errors.size() == 1 ? " entry is" : " entries are",
                                           " wrong; nothing was submitted"));
}

std::vector<std::string> Manifest::Check() const {
  struct First {
    std::size_t line;
    std::size_t hash;
  };
  std::unordered_map<std::string, First> ids;
  std::vector<std::string> errors;
  const std::unique_ptr<ManifestReader> reader = ReaderOf(format_, *text_);
  while (const auto item = reader->Next()) {
    if (!item->request.ok()) {
      errors.push_back(Concat(name_, ":", item->line, ": ", MessageOf(item->request.status())));
      continue;
    }
    const v1::CreateJobRequest& request = *item->request;
    if (request.request_id().empty()) continue;
    const std::size_t hash = ContentHash(request);
    const auto [first, is_new] = ids.try_emplace(request.request_id(), First{item->line, hash});
    if (!is_new && first->second.hash != hash) {
      errors.push_back(Concat(name_, ":", item->line, ": request_id \"", request.request_id(),
                              "\" stands for a different job in line ", first->second.line));
    }
  }
  return errors;
}

std::optional<Manifest::Entry> Manifest::Next() {
  if (reader_ == nullptr) reader_ = ReaderOf(format_, *text_);
  while (auto item = reader_->Next()) {
    if (!item->request.ok()) continue;
    return Entry{*std::move(item->request), Concat(name_, ":", item->line), item->number};
  }
  return std::nullopt;
}

absl::StatusOr<std::vector<std::string>> ReadUrls(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string input, ReadInput(path));
  const std::string_view text = WithoutBom(input);
  std::vector<std::string> urls;
  std::size_t number = 0;
  for (std::size_t position = 0; position < text.size();) {
    const std::string_view line = CutLine(text, position);
    ++number;
    if (IsNothing(line)) continue;
    auto url = UrlOfLine(line);
    if (!url.ok()) return WithPrefix(url.status(), Concat(path, ":", number));
    urls.push_back(*std::move(url));
  }
  return urls;
}

}  // namespace fetchd::cli
