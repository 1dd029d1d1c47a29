#include "store/object_codec.h"

#include "store/json.h"

namespace fetchd::store {
namespace {

using Texts = std::map<std::string, std::string>;

void PutTexts(json::object& object, const char* key, const Texts& texts) {
  if (!texts.empty()) object[key] = TextsToJson(texts);
}

Texts GetTexts(const json::object& object, const char* key) {
  const json::value* texts = object.if_contains(key);
  return texts == nullptr ? Texts() : TextsFromJson(*texts);
}

}  // namespace

std::string EncodeObject(const jobs::ObjectSettings& object) {
  if (object.empty()) return std::string();
  json::object encoded;
  PutText(encoded, "content_type", object.content_type);
  PutText(encoded, "content_disposition", object.content_disposition);
  PutText(encoded, "cache_control", object.cache_control);
  PutText(encoded, "storage_class", object.storage_class);
  PutTexts(encoded, "metadata", object.metadata);
  PutTexts(encoded, "tags", object.tags);
  return json::serialize(encoded);
}

absl::StatusOr<jobs::ObjectSettings> DecodeObject(std::string_view text) {
  if (text.empty()) return jobs::ObjectSettings();
  return Decode("settings of an object", text, [](const json::value& value) {
    const json::object& object = value.as_object();
    return jobs::ObjectSettings{.content_type = GetText(object, "content_type"),
                                .content_disposition = GetText(object, "content_disposition"),
                                .cache_control = GetText(object, "cache_control"),
                                .storage_class = GetText(object, "storage_class"),
                                .metadata = GetTexts(object, "metadata"),
                                .tags = GetTexts(object, "tags")};
  });
}

}  // namespace fetchd::store
