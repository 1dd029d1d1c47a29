#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdio>
#include <set>
#include <vector>

#include "base/strings.h"
#include "base/url_text.h"
#include "sink/destinations.h"
#include "sink/file_tree.h"
#include "sink/part_name.h"

namespace fetchd::sink {
namespace {

constexpr std::size_t kMaxPath = 4000;
constexpr std::string_view kFileScheme = "file:";

absl::Status Wrong(const std::string& description) {
  return WithField(absl::InvalidArgumentError("destination: " + description),
                   {"destination", description});
}

std::string UtcDate(WallTime at) {
  const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(at));
  char text[16];
  std::snprintf(text, sizeof text, "%04d-%02u-%02u", static_cast<int>(day.year()),
                static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()));
  return text;
}

std::vector<std::string_view> Split(std::string_view text) {
  std::vector<std::string_view> segments;
  while (true) {
    const std::size_t slash = text.find('/');
    segments.push_back(text.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    text.remove_prefix(slash + 1);
  }
}

// The URL's path as a relative path of safe names.
std::string SafePath(const Url& url) {
  std::string path;
  for (const std::string_view segment : Split(url.path())) {
    if (segment.empty()) continue;
    if (!path.empty()) path += '/';
    path += SafeFileName(PercentDecode(segment));
  }
  return path.empty() ? "index" : path;
}

absl::StatusOr<std::string> Value(std::string_view name, const Url& url, const JobId& job,
                                  WallTime created_at) {
  if (name == "host") return SafeFileName(url.host());
  if (name == "path") return SafePath(url);
  if (name == "basename") return url.basename();
  if (name == "job") return job.str();
  if (name == "date") return UtcDate(created_at);
  return Wrong(
      Concat("unknown placeholder {", name, "}: use {host}, {path}, {basename}, {job} or {date}"));
}

absl::StatusOr<std::string> FillIn(std::string_view text, const Url& url, const JobId& job,
                                   WallTime created_at) {
  std::string filled;
  while (!text.empty()) {
    const std::size_t brace = text.find_first_of("{}");
    filled += text.substr(0, brace);
    if (brace == std::string_view::npos) break;
    const std::size_t end = text.find('}', brace);
    if (text[brace] == '}' || end == std::string_view::npos) {
      return Wrong("unmatched brace: placeholders are written {name}");
    }
    ASSIGN_OR_RETURN(const std::string value,
                     Value(text.substr(brace + 1, end - brace - 1), url, job, created_at));
    filled += value;
    text.remove_prefix(end + 1);
  }
  return filled;
}

absl::Status CheckSegment(std::string_view segment) {
  if (segment.empty()) return Wrong("empty path segment: write no leading, trailing or double '/'");
  if (segment == "." || segment == "..") {
    return Wrong(Concat("path segment \"", segment, "\": the path must stay beneath files.root"));
  }
  if (segment.size() > NAME_MAX) return Wrong("a path segment is longer than 255 bytes");
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::ranges::any_of(segment, is_control)) {
    return Wrong("control character in the path: remove it");
  }
  if (JobOfPartFile(segment)) return Wrong("the name is reserved for temporary files");
  return absl::OkStatus();
}

absl::Status CheckPath(std::string_view path) {
  if (path.empty()) return Wrong("no path: write file:<path beneath files.root>");
  if (path.front() == '/') {
    return Wrong("absolute path: write it relative to files.root, as in file:a/b");
  }
  if (path.size() > kMaxPath) return Wrong(Concat("the path is longer than ", kMaxPath, " bytes"));
  for (const std::string_view segment : Split(path)) RETURN_IF_ERROR(CheckSegment(segment));
  return absl::OkStatus();
}

}  // namespace

std::string Destination::ToString() const {
  if (kind == Kind::kObject) return object.ToString();
  return kind == Kind::kDiscard ? "discard:" : "file:" + path;
}

absl::StatusOr<Destination> ParseDestination(std::string_view uri, const Url& url, const JobId& job,
                                             WallTime created_at) {
  if (uri.starts_with("discard:")) return ParseResolvedDestination(uri);
  ASSIGN_OR_RETURN(const std::string filled, FillIn(uri, url, job, created_at));
  return ParseResolvedDestination(filled);
}

absl::StatusOr<Destination> ParseResolvedDestination(std::string_view uri) {
  if (uri == "discard:") return Destination{};
  const std::size_t colon = uri.find(':');
  if (colon == std::string_view::npos) {
    return Wrong("no scheme: write file:<path>, s3://bucket/key or discard:");
  }
  const std::string_view scheme = uri.substr(0, colon);
  if (scheme == "discard") return Wrong("write discard: with nothing behind it");
  absl::StatusOr<std::optional<ObjectUri>> object = ParseObjectUri(uri);
  if (!object.ok()) return Wrong(MessageOf(object.status()));
  if (*object) return Destination{Destination::Kind::kObject, "", **std::move(object)};
  if (!uri.starts_with(kFileScheme)) {
    return Wrong(Concat("scheme \"", scheme,
                        "\" is not served here: use file:<path>, s3://bucket/key or discard:"));
  }
  std::string path(uri.substr(kFileScheme.size()));
  RETURN_IF_ERROR(CheckPath(path));
  return Destination{Destination::Kind::kFile, std::move(path), {}};
}

absl::Status CheckTogether(std::span<const Destination> destinations) {
  const auto objects =
      std::ranges::count(destinations, Destination::Kind::kObject, &Destination::kind);
  if (objects > 1) return Wrong("at most one destination of a job is an object in a store");
  const JobId any;
  std::set<std::string> temporaries;
  for (const Destination& destination : destinations) {
    if (destination.kind == Destination::Kind::kDiscard) {
      if (destinations.size() == 1) continue;
      return Wrong("discard: cannot be one of several");
    }
    std::string temporary = destination.ToString();
    if (destination.kind == Destination::Kind::kFile) {
      const std::string part = PartFileName(LastSegmentOf(destination.path), any, 1);
      temporary = ParentOf(destination.path) + '/' + part;
    }
    if (temporaries.insert(std::move(temporary)).second) continue;
    return Wrong(
        Concat("\"", destination.ToString(),
               "\" is given twice, or shares its folder and the first 195 bytes of its name"
               " with another"));
  }
  return absl::OkStatus();
}

}  // namespace fetchd::sink
