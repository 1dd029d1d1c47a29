// ObjectAttributes as S3's headers.
#include <algorithm>

#include "base/strings.h"
#include "objstore/s3_store.h"

namespace fetchd::objstore {
namespace {

constexpr std::size_t kMostMetadataBytes = 2048;  // S3's limit, names and values.

bool IsMetadataName(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    const char lower = AsciiLower(c);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

absl::Status AddMetadata(const ObjectAttributes& attributes, std::vector<http::Header>& headers) {
  std::size_t bytes = 0;
  for (const auto& [name, value] : attributes.metadata) {
    if (!IsMetadataName(name)) {
      return absl::InvalidArgumentError("metadata: a name of letters, digits, '-', '_' and '.'");
    }
    bytes += name.size() + value.size();
    RETURN_IF_ERROR(AddAttribute(Concat("x-amz-meta-", AsciiLower(name)), value, headers));
  }
  if (bytes <= kMostMetadataBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(Concat("metadata: more than ", kMostMetadataBytes, " bytes"));
}

}  // namespace

absl::StatusOr<std::vector<http::Header>> HeadersOf(const ObjectAttributes& attributes) {
  std::vector<http::Header> headers;
  RETURN_IF_ERROR(AddAttribute("Content-Type", attributes.content_type, headers));
  RETURN_IF_ERROR(AddAttribute("Content-Disposition", attributes.content_disposition, headers));
  RETURN_IF_ERROR(AddAttribute("Cache-Control", attributes.cache_control, headers));
  RETURN_IF_ERROR(AddAttribute("x-amz-storage-class", attributes.storage_class, headers));
  RETURN_IF_ERROR(AddAttribute("x-amz-server-side-encryption", attributes.encryption, headers));
  RETURN_IF_ERROR(
      AddAttribute("x-amz-server-side-encryption-aws-kms-key-id", attributes.kms_key_id, headers));
  RETURN_IF_ERROR(AddMetadata(attributes, headers));
  ASSIGN_OR_RETURN(const std::string tags, EncodeTags(attributes.tags));
  RETURN_IF_ERROR(AddAttribute("x-amz-tagging", tags, headers));
  return headers;
}

}  // namespace fetchd::objstore
