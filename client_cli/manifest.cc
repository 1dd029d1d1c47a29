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

namespace fetchd::cli {
namespace {

/// Cuts the next line off; `position` moves behind its end.
std::string_view CutLine(std::string_view text, std::size_t& position) {
  const std::size_t end = std::min(text.find('\n', position), text.size());
  std::string_view line = text.substr(position, end - position);
  position = end + 1;
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

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

Manifest::Manifest(std::string name, std::string text)
    : name_(std::move(name)), text_(std::string(WithoutBom(text))) {}

absl::StatusOr<Manifest> Manifest::Read(const std::string& path) {
  ASSIGN_OR_RETURN(std::string text, ReadInput(path));
  return Manifest(path == "-" ? "stdin" : path, std::move(text));
}

std::vector<std::string> Manifest::Check() const {
  struct First {
    std::size_t line;
    std::size_t hash;
  };
  std::unordered_map<std::string, First> ids;
  std::vector<std::string> errors;
  std::size_t line = 0;
  for (std::size_t position = 0; position < text_.size();) {
    const std::string_view text = CutLine(text_, position);
    ++line;
    const auto request = ParseManifestLine(text);
    if (!request.ok()) {
      errors.push_back(Concat(name_, ":", line, ": ", MessageOf(request.status())));
      continue;
    }
    if (!request->has_value() || (*request)->request_id().empty()) continue;
    const std::size_t hash = ContentHash(**request);
    const auto [first, is_new] = ids.try_emplace((*request)->request_id(), First{line, hash});
    if (!is_new && first->second.hash != hash) {
      errors.push_back(Concat(name_, ":", line, ": request_id \"", (*request)->request_id(),
                              "\" stands for a different job in line ", first->second.line));
    }
  }
  return errors;
}

std::optional<Manifest::Entry> Manifest::Next() {
  while (position_ < text_.size()) {
    const std::string_view text = CutLine(text_, position_);
    ++line_;
    auto request = ParseManifestLine(text);
    if (request.ok() && request->has_value()) {
      return Entry{**std::move(request), Concat(name_, ":", line_)};
    }
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
