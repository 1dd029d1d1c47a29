// Kinds of values, and rows for the settings of what the user names: `proxies.<name>.*`,
// `stores.<name>.*`.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/config_schema.h"
#include "app/config_values.h"
#include "base/strings.h"

namespace fetchd::app {

/// How values of a kind are read and written.
template <typename T>
struct Kind {
  std::string type;  ///< As in ConfigKey.
  bool is_text = false;
  std::function<absl::StatusOr<T>(const YAML::Node&)> read;
  std::function<std::string(const T&)> write;
};

/// `read`: a stricter one than ReadText.
inline Kind<std::string> TextKind(
    std::string type,
    std::function<absl::StatusOr<std::string>(const YAML::Node&)> read = ReadText) {
  return {std::move(type), true, std::move(read), WriteText};
}

inline Kind<bool> BoolKind() { return {"true or false", false, ReadBool, WriteBool}; }

template <typename Enum>
struct Choice {
  std::string name;
  Enum value;
};

template <typename Enum>
Kind<Enum> ChoiceKind(std::vector<Choice<Enum>> choices) {
  std::string names;
  for (const auto& choice : choices) names += (names.empty() ? "" : " | ") + choice.name;
  auto read = [choices, names](const YAML::Node& node) -> absl::StatusOr<Enum> {
    for (const auto& choice : choices) {
      if (node.IsScalar() && node.Scalar() == choice.name) return choice.value;
    }
    return absl::InvalidArgumentError("expects " + names);
  };
  auto write = [choices](const Enum& value) {
    for (const auto& choice : choices) {
      if (choice.value == value) return choice.name;
    }
    return std::string();
  };
  return {names, true, std::move(read), std::move(write)};
}

/// The row `<section>.<name>.<key>`. `named` finds the map of what the user names in a Config,
/// `field` is where the value goes, `check_name` says what is wrong with a name.
template <typename T, typename Named, typename Settings>
ConfigKey NamedKey(std::string_view section, Named named, const char* key, Kind<T> kind,
                   T Settings::* field, const char* help,
                   absl::Status (*check_name)(const std::string&) = nullptr) {
  return {Concat(section, ".<name>.", key),
          kind.type,
          help,
          kind.is_text,
          [=](const YAML::Node& node, const std::string& chosen, Config& config) -> absl::Status {
            if (check_name != nullptr) RETURN_IF_ERROR(check_name(chosen));
            ASSIGN_OR_RETURN(named(config)[chosen].*field, kind.read(node));
            return absl::OkStatus();
          },
          [=](const Config& config) {
            std::vector<std::pair<std::string, std::string>> written;
            for (const auto& [chosen, settings] : named(config)) {
              written.emplace_back(chosen, kind.write(settings.*field));
            }
            return written;
          }};
}

}  // namespace fetchd::app
