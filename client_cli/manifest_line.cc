#include "cli/manifest_line.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <iterator>

#include "base/digest.h"
#include "base/strings.h"
#include "cli/values.h"

namespace fetchd::cli {
namespace {

namespace json = boost::json;

absl::Status WrongType(std::string_view key, std::string_view expected) {
  return absl::InvalidArgumentError(Concat("\"", key, "\" must be ", expected));
}

std::string_view View(const json::string& text) { return {text.data(), text.size()}; }
std::string_view View(json::string_view text) { return {text.data(), text.size()}; }

absl::StatusOr<std::string> Text(std::string_view key, const json::value& value) {
  if (!value.is_string()) return WrongType(key, "a string");
  return std::string(View(value.get_string()));
}

absl::Status ReadTexts(std::string_view key, const json::value& value,
                       google::protobuf::RepeatedPtrField<std::string>& out) {
  if (!value.is_array()) return WrongType(key, "a list of strings");
  for (const json::value& item : value.get_array()) {
    if (!item.is_string()) return WrongType(key, "a list of strings");
    out.Add(std::string(View(item.get_string())));
  }
  return absl::OkStatus();
}

absl::Status ReadUrlKey(const json::value& value, v1::CreateJobRequest& request) {
  ASSIGN_OR_RETURN(std::string url, Text("url", value));
  request.mutable_job()->mutable_spec()->add_urls(std::move(url));
  return absl::OkStatus();
}

absl::Status ReadUrlsKey(const json::value& value, v1::CreateJobRequest& request) {
  return ReadTexts("urls", value, *request.mutable_job()->mutable_spec()->mutable_urls());
}

absl::Status ReadDestination(const json::value& value, v1::CreateJobRequest& request) {
  ASSIGN_OR_RETURN(*request.mutable_job()->mutable_destination(), Text("destination", value));
  return absl::OkStatus();
}

absl::Status ReadMoreDestinations(const json::value& value, v1::CreateJobRequest& request) {
  return ReadTexts("more_destinations", value, *request.mutable_job()->mutable_more_destinations());
}

absl::Status ReadRequestId(const json::value& value, v1::CreateJobRequest& request) {
  ASSIGN_OR_RETURN(*request.mutable_request_id(), Text("request_id", value));
  if (request.request_id().empty()) return WrongType("request_id", "1 to 128 characters");
  return absl::OkStatus();
}

absl::Status ReadSha256(const json::value& value, v1::CreateJobRequest& request) {
  ASSIGN_OR_RETURN(const std::string hex, Text("sha256", value));
  ASSIGN_OR_RETURN(std::string digest, Sha256Digest(hex));
  request.mutable_job()->mutable_spec()->add_digests(std::move(digest));
  return absl::OkStatus();
}

absl::Status ReadDigests(const json::value& value, v1::CreateJobRequest& request) {
  google::protobuf::RepeatedPtrField<std::string> digests;
  RETURN_IF_ERROR(ReadTexts("digests", value, digests));
  for (const std::string& text : digests) {
    ASSIGN_OR_RETURN(std::string digest, CheckDigest(text));
    request.mutable_job()->mutable_spec()->add_digests(std::move(digest));
  }
  return absl::OkStatus();
}

absl::Status ReadSize(const json::value& value, v1::CreateJobRequest& request) {
  json::error_code error;
  const auto size = value.to_number<std::uint64_t>(error);
  if (error || value.is_double()) return WrongType("size", "a whole number of bytes");
  request.mutable_job()->mutable_spec()->set_expected_size(size);
  return absl::OkStatus();
}

absl::Status ReadTextMap(std::string_view name, const json::value& value,
                         google::protobuf::Map<std::string, std::string>& out) {
  if (!value.is_object()) return WrongType(name, "an object of strings");
  for (const auto& item : value.get_object()) {
    if (!item.value().is_string()) return WrongType(name, "an object of strings");
    out[std::string(View(item.key()))] = std::string(View(item.value().get_string()));
  }
  return absl::OkStatus();
}

absl::Status ReadLabels(const json::value& value, v1::CreateJobRequest& request) {
  return ReadTextMap("labels", value, *request.mutable_job()->mutable_labels());
}

absl::Status ReadObjectKey(std::string_view key, const json::value& value,
                           v1::ObjectSettings& object) {
  if (key == "metadata") return ReadTextMap("object.metadata", value, *object.mutable_metadata());
  if (key == "tags") return ReadTextMap("object.tags", value, *object.mutable_tags());
  ASSIGN_OR_RETURN(std::string text, Text(Concat("object.", key), value));
  if (key == "content_type") {
    object.set_content_type(std::move(text));
  } else if (key == "content_disposition") {
    object.set_content_disposition(std::move(text));
  } else if (key == "cache_control") {
    object.set_cache_control(std::move(text));
  } else if (key == "storage_class") {
    object.set_storage_class(std::move(text));
  } else {
    return absl::InvalidArgumentError(Concat("unknown key \"object.", key, '"'));
  }
  return absl::OkStatus();
}

absl::Status ReadObject(const json::value& value, v1::CreateJobRequest& request) {
  if (!value.is_object()) return WrongType("object", "an object");
  v1::ObjectSettings& object = *request.mutable_job()->mutable_object();
  for (const auto& item : value.get_object()) {
    RETURN_IF_ERROR(ReadObjectKey(View(item.key()), item.value(), object));
  }
  return absl::OkStatus();
}

absl::Status ReadHeaders(const json::value& value, v1::CreateJobRequest& request) {
  if (!value.is_object()) return WrongType("headers", "an object of strings");
  for (const auto& item : value.get_object()) {
    if (!item.value().is_string()) return WrongType("headers", "an object of strings");
    v1::Header* header = request.mutable_job()->mutable_spec()->add_headers();
    header->set_name(std::string(View(item.key())));
    header->set_value(std::string(View(item.value().get_string())));
  }
  return absl::OkStatus();
}

absl::Status ReadPriority(const json::value& value, v1::CreateJobRequest& request) {
  if (!value.is_int64() || value.get_int64() < -100 || value.get_int64() > 100) {
    return WrongType("priority", "a whole number from -100 to 100");
  }
  request.mutable_job()->set_priority(static_cast<std::int32_t>(value.get_int64()));
  return absl::OkStatus();
}

absl::Status ReadOverwrite(const json::value& value, v1::CreateJobRequest& request) {
  ASSIGN_OR_RETURN(const std::string text, Text("overwrite", value));
  ASSIGN_OR_RETURN(const v1::Job::Overwrite overwrite, ParseOverwrite(text));
  request.mutable_job()->set_overwrite(overwrite);
  return absl::OkStatus();
}

absl::Status ReadRange(const json::value& value, v1::CreateJobRequest& request) {
  ASSIGN_OR_RETURN(const std::string text, Text("range", value));
  ASSIGN_OR_RETURN(const ByteRange range, ParseRange(text));
  *request.mutable_job()->mutable_spec()->mutable_range() = ToProto(range);
  return absl::OkStatus();
}

absl::Status ReadCompressed(const json::value& value, v1::CreateJobRequest& request) {
  if (!value.is_bool()) return WrongType("compressed", "true or false");
  request.mutable_job()->mutable_spec()->set_decode(
      value.get_bool() ? v1::FetchSpec::DECODE_CONTENT : v1::FetchSpec::DECODE_AS_SENT);
  return absl::OkStatus();
}

absl::Status ReadIfNoneMatch(const json::value& value, v1::CreateJobRequest& request) {
  auto& tags = *request.mutable_job()->mutable_spec()->mutable_if_none_match();
  RETURN_IF_ERROR(ReadTexts("if_none_match", value, tags));
  for (std::string& tag : tags) tag = EntityTag(tag);
  return absl::OkStatus();
}

absl::Status ReadIfModifiedSince(const json::value& value, v1::CreateJobRequest& request) {
  ASSIGN_OR_RETURN(const std::string text, Text("if_modified_since", value));
  ASSIGN_OR_RETURN(*request.mutable_job()->mutable_spec()->mutable_if_modified_since(),
                   ParseTime(text));
  return absl::OkStatus();
}

struct Key {
  std::string_view name;
  absl::Status (*read)(const json::value&, v1::CreateJobRequest&);
};
constexpr Key kKeys[] = {{"url", ReadUrlKey},
                         {"urls", ReadUrlsKey},
                         {"destination", ReadDestination},
                         {"more_destinations", ReadMoreDestinations},
                         {"request_id", ReadRequestId},
                         {"sha256", ReadSha256},
                         {"digests", ReadDigests},
                         {"size", ReadSize},
                         {"labels", ReadLabels},
                         {"object", ReadObject},
                         {"headers", ReadHeaders},
                         {"priority", ReadPriority},
                         {"overwrite", ReadOverwrite},
                         {"range", ReadRange},
                         {"compressed", ReadCompressed},
                         {"if_none_match", ReadIfNoneMatch},
                         {"if_modified_since", ReadIfModifiedSince}};

absl::StatusOr<json::object> ParseObject(std::string_view line) {
  json::error_code error;
  json::value value = json::parse(json::string_view(line.data(), line.size()), error);
  if (error) return absl::InvalidArgumentError(Concat("not JSON: ", error.message()));
  return std::move(value.get_object());
}

absl::StatusOr<v1::CreateJobRequest> ParseJsonLine(std::string_view line) {
  ASSIGN_OR_RETURN(const json::object object, ParseObject(line));
  v1::CreateJobRequest request;
  if (object.contains("url") == object.contains("urls")) {
    return absl::InvalidArgumentError("one of \"url\" and \"urls\" is needed");
  }
  for (const auto& item : object) {
    const std::string_view name = View(item.key());
    const Key* key = std::find_if(std::begin(kKeys), std::end(kKeys),
                                  [name](const Key& known) { return known.name == name; });
    if (key == std::end(kKeys)) {
      return absl::InvalidArgumentError(Concat("unknown key \"", name, "\""));
    }
    RETURN_IF_ERROR(key->read(item.value(), request));
  }
  const int urls = request.job().spec().urls_size();
  if (urls < 1 || urls > 16) return WrongType("urls", "a list of 1 to 16 URLs");
  return request;
}

absl::StatusOr<v1::CreateJobRequest> ParsePlainLine(std::string_view line) {
  v1::CreateJobRequest request;
  const std::size_t tab = line.find('\t');
  const std::string_view url = TrimWhitespace(line.substr(0, tab));
  if (url.empty()) return absl::InvalidArgumentError("a destination without a URL");
  if (url.find(' ') != std::string_view::npos) {
    return absl::InvalidArgumentError(
        "a space in the URL (write %20; a destination is separated by a tab)");
  }
  request.mutable_job()->mutable_spec()->add_urls(std::string(url));
  if (tab == std::string_view::npos) return request;
  const std::string_view destination = TrimWhitespace(line.substr(tab + 1));
  if (destination.empty()) return absl::InvalidArgumentError("nothing after the tab");
  if (destination.find('\t') != std::string_view::npos) {
    return absl::InvalidArgumentError("more than one tab");
  }
  request.mutable_job()->set_destination(std::string(destination));
  return request;
}

}  // namespace

bool IsNothing(std::string_view line) {
  const std::string_view trimmed = TrimWhitespace(line);
  return trimmed.empty() || trimmed.front() == '#';
}

absl::StatusOr<std::optional<v1::CreateJobRequest>> ParseManifestLine(std::string_view line) {
  if (IsNothing(line)) return std::nullopt;
  const std::string_view trimmed = TrimWhitespace(line);
  auto request = trimmed.front() == '{' ? ParseJsonLine(trimmed) : ParsePlainLine(line);
  if (!request.ok()) return std::move(request).status();
  return std::optional(*std::move(request));
}

absl::StatusOr<std::string> UrlOfLine(std::string_view line) {
  if (!line.starts_with('{')) return std::string(line);
  ASSIGN_OR_RETURN(const json::object object, ParseObject(line));
  const json::value* url = object.if_contains("url");
  if (url == nullptr || !url->is_string()) return WrongType("url", "there, and a string");
  return std::string(View(url->get_string()));
}

absl::StatusOr<v1::Job::Overwrite> ParseOverwrite(std::string_view text) {
  if (text == "always") return v1::Job::OVERWRITE_ALWAYS;
  if (text == "never") return v1::Job::OVERWRITE_NEVER;
  if (text == "if-different") return v1::Job::OVERWRITE_IF_DIFFERENT;
  return absl::InvalidArgumentError(
      Concat("\"", text, "\" is not an overwrite policy: always, never or if-different"));
}

absl::StatusOr<std::string> Sha256Digest(std::string_view hex) {
  return CheckDigest(Concat("sha256:", hex));
}

absl::StatusOr<std::string> CheckDigest(std::string_view text) {
  const auto digest = Digest::Parse(text);
  if (!digest.ok()) return WithPrefix(digest.status(), Concat("\"", text, "\""));
  return digest->ToSri();
}

}  // namespace fetchd::cli
