// ObjectAttributes as the Blob service's headers.
#include <algorithm>
#include <set>

#include "base/strings.h"
#include "objstore/azure_store.h"

namespace fetchd::objstore {
namespace {

constexpr std::size_t kMostBlobMetadata = 8192;  // Names and values.
constexpr std::size_t kMostTagName = 128, kMostTagValue = 256;

bool IsAsciiLetter(char c) { return AsciiLower(c) >= 'a' && AsciiLower(c) <= 'z'; }
bool IsAsciiDigit(char c) { return c >= '0' && c <= '9'; }

/// As far as ASCII goes: others do not stand in a header's name.
bool IsCSharpIdentifier(std::string_view text) {
  return !text.empty() && !IsAsciiDigit(text.front()) && std::ranges::all_of(text, [](char c) {
    return IsAsciiLetter(c) || IsAsciiDigit(c) || c == '_';
  });
}

bool IsTagText(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return IsAsciiLetter(c) || IsAsciiDigit(c) ||
           std::string_view(" +-./:=_").find(c) != std::string_view::npos;
  });
}

absl::Status AddBlobMetadata(const ObjectAttributes& attributes,
                             std::vector<http::Header>& headers) {
  std::size_t bytes = 0;
  std::set<std::string> names;
  for (const auto& [name, value] : attributes.metadata) {
    if (!IsCSharpIdentifier(name)) {
      return absl::InvalidArgumentError(
          "metadata: Azure takes names of letters, digits and '_' that begin with no digit");
    }
    if (!names.insert(AsciiLower(name)).second) {
      return absl::InvalidArgumentError(Concat("metadata: \"", name, "\" is there twice"));
    }
    bytes += name.size() + value.size();
    RETURN_IF_ERROR(AddAttribute(Concat("x-ms-meta-", name), value, headers));
  }
  if (bytes <= kMostBlobMetadata) return absl::OkStatus();
  return absl::InvalidArgumentError(Concat("metadata: more than ", kMostBlobMetadata, " bytes"));
}

absl::Status CheckBlobTags(const ObjectAttributes& attributes) {
  for (const auto& [name, value] : attributes.tags) {
    const bool sized =
        !name.empty() && name.size() <= kMostTagName && value.size() <= kMostTagValue;
    if (sized && IsTagText(name) && IsTagText(value)) continue;
    return absl::InvalidArgumentError(
        "tags: Azure takes letters, digits, spaces and \"+-./:=_\", 128 in a name and 256 in a "
        "value");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<http::Header>> AzureHeadersOf(const ObjectAttributes& attributes) {
  if (!attributes.encryption.empty() || !attributes.kms_key_id.empty()) {
    return absl::InvalidArgumentError(
        "encryption: Azure encrypts all blobs, with the keys that the account says");
  }
  std::vector<http::Header> headers;
  RETURN_IF_ERROR(AddAttribute("x-ms-blob-content-type", attributes.content_type, headers));
  RETURN_IF_ERROR(
      AddAttribute("x-ms-blob-content-disposition", attributes.content_disposition, headers));
  RETURN_IF_ERROR(AddAttribute("x-ms-blob-cache-control", attributes.cache_control, headers));
  RETURN_IF_ERROR(AddAttribute("x-ms-access-tier", attributes.storage_class, headers));
  RETURN_IF_ERROR(AddBlobMetadata(attributes, headers));
  RETURN_IF_ERROR(CheckBlobTags(attributes));
  ASSIGN_OR_RETURN(const std::string tags, EncodeTags(attributes.tags));
  RETURN_IF_ERROR(AddAttribute("x-ms-tags", tags, headers));
  return headers;
}

}  // namespace fetchd::objstore
