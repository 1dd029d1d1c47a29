// Boost.JSON as the codecs use it: optional members, durations, and one place where its exceptions
// end.
#pragma once

#include <boost/json.hpp>
#include <chrono>
#include <exception>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "base/time.h"

namespace fetchd::store {

namespace json = boost::json;

inline json::string_view View(std::string_view text) { return {text.data(), text.size()}; }
inline std::string Text(const json::value& value) {
  const json::string& text = value.as_string();
  return std::string(text.data(), text.size());
}

/// Adds a member when there is something to add.
template <typename T>
void PutOptional(json::object& object, const char* key, const std::optional<T>& value) {
  if (!value) return;
  if constexpr (std::is_same_v<T, Duration>) {
    object[key] = value->count();
  } else {
    object[key] = *value;
  }
}
inline void PutText(json::object& object, const char* key, std::string_view text) {
  if (!text.empty()) object[key] = View(text);
}

/// A list as one parameter of a statement.
inline std::string JsonList(const std::vector<std::string>& texts) {
  json::array list;
  for (const std::string& text : texts) list.emplace_back(View(text));
  return json::serialize(list);
}

inline json::object TextsToJson(const std::map<std::string, std::string>& texts) {
  json::object object;
  for (const auto& [key, value] : texts) object[View(key)] = View(value);
  return object;
}
/// Throws when one is no text.
inline std::map<std::string, std::string> TextsFromJson(const json::value& value) {
  std::map<std::string, std::string> texts;
  for (const auto& [key, text] : value.as_object()) {
    texts.emplace(std::string(key.data(), key.size()), Text(text));
  }
  return texts;
}
/// Absent members read as empty. A member of another type throws.
inline std::string GetText(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  return value == nullptr ? std::string() : Text(*value);
}
template <typename T>
std::optional<T> GetOptional(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr) return std::nullopt;
  if constexpr (std::is_same_v<T, Duration>) {
    return Duration(value->to_number<std::int64_t>());
  } else {
    return value->to_number<T>();
  }
}
inline Duration GetDuration(const json::object& object, const char* key) {
  return GetOptional<Duration>(object, key).value_or(Duration{});
}
inline bool GetBool(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->as_bool();
}

/// Parses `text` and hands it to `read`, which may throw as Boost.JSON's accessors do: then
/// DATA_LOSS, naming `what`.
template <typename Read>
auto Decode(std::string_view what, std::string_view text, Read read)
    -> absl::StatusOr<decltype(read(json::value()))> {
  json::parse_options options;
  options.allow_invalid_utf8 = true;  // Header values may hold any byte.
  try {
    const json::value value = json::parse(View(text), json::storage_ptr(), options);
    return read(value);
  } catch (const std::exception& error) {
    return absl::DataLossError(Concat("a stored ", what, " does not parse: ", error.what()));
  }
}

}  // namespace fetchd::store
