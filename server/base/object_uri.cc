#include "base/object_uri.h"

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "base/utf8.h"

namespace fetchd {
namespace {

constexpr std::size_t kMaxKey = 1024;  ///< S3's; Azure takes as many characters.
constexpr std::array<std::string_view, 3> kSchemes = {"s3", "gs", "azblob"};

bool IsLowerOrDigit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t size = DecodeUtf8(text).size;
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

absl::Status CheckStoreName(std::string_view name) {
  const auto allowed = [](char c) { return IsLowerOrDigit(c) || c == '-'; };
  if (!name.empty() && std::ranges::all_of(name, allowed)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Concat("store name \"", name, "\": lower-case letters, digits and '-', as in stores.<name>"));
}

absl::Status CheckBucket(std::string_view bucket) {
  const auto allowed = [](char c) {
    return IsLowerOrDigit(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_';
  };
  if (bucket.size() >= 3 && bucket.size() <= 255 && std::ranges::all_of(bucket, allowed) &&
      bucket.find("..") == std::string_view::npos) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      Concat("bucket \"", bucket, "\": 3 to 255 letters, digits, '.', '-' and '_'"));
}

absl::Status CheckKey(std::string_view key) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (key.empty()) return absl::InvalidArgumentError("no key: write s3://bucket/key");
  if (key.size() > kMaxKey) {
    return absl::InvalidArgumentError(Concat("the key is longer than ", kMaxKey, " bytes"));
  }
  if (key.back() == '/') {
    return absl::InvalidArgumentError("the key ends in '/': write what follows, as in {basename}");
  }
  if (!IsUtf8(key)) return absl::InvalidArgumentError("the key is not UTF-8");
  if (std::ranges::any_of(key, is_control)) {
    return absl::InvalidArgumentError("control character in the key: remove it");
  }
  return absl::OkStatus();
}

/// But for what the key must be.
absl::StatusOr<std::optional<ObjectUri>> Split(std::string_view uri) {
  const std::size_t colon = uri.find(':');
  std::string_view scheme = uri.substr(0, colon);
  const std::size_t plus = scheme.find('+');
  ObjectUri parsed;
  if (plus != std::string_view::npos) parsed.store = scheme.substr(plus + 1);
  parsed.scheme = scheme.substr(0, plus);
  if (colon == std::string_view::npos ||
      std::ranges::find(kSchemes, parsed.scheme) == kSchemes.end()) {
    return std::nullopt;
  }
  if (plus != std::string_view::npos) RETURN_IF_ERROR(CheckStoreName(parsed.store));
  if (!uri.substr(colon).starts_with("://")) {
    return absl::InvalidArgumentError(Concat("write ", scheme, "://bucket/key"));
  }
  const std::string_view rest = uri.substr(colon + 3);
  const std::size_t slash = rest.find('/');
  parsed.bucket = rest.substr(0, slash);
  RETURN_IF_ERROR(CheckBucket(parsed.bucket));
  if (slash != std::string_view::npos) parsed.key = rest.substr(slash + 1);
  return parsed;
}

}  // namespace

std::string ObjectUri::SchemeAndStore() const {
  return Concat(scheme, store.empty() ? "" : "+", store);
}

std::string ObjectUri::ToString() const {
  return Concat(SchemeAndStore(), "://", bucket, '/', key);
}

absl::StatusOr<std::optional<ObjectUri>> ParseObjectUri(std::string_view uri) {
  ASSIGN_OR_RETURN(std::optional<ObjectUri> parsed, Split(uri));
  if (parsed) RETURN_IF_ERROR(CheckKey(parsed->key));
  return parsed;
}

absl::StatusOr<std::optional<ObjectUri>> ParseBucketUri(std::string_view uri) {
  ASSIGN_OR_RETURN(std::optional<ObjectUri> parsed, Split(uri));
  if (!parsed || parsed->key.empty()) return parsed;
  return absl::InvalidArgumentError("a bucket is meant, and there is a key: write s3://bucket");
}

}  // namespace fetchd
