// Rows of the table of keys for fields that are there once, each by the kind of its value.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "app/config_kinds.h"

namespace fetchd::app {

/// As ConfigKey::write returns them.
using WrittenValues = std::vector<std::pair<std::string, std::string>>;

// Each helper makes a row for a field that `at` finds in the configuration.

template <typename At>
ConfigKey TextKey(const char* name, At at, const char* help) {
  return {name,
          "text",
          help,
          true,
          [at](const YAML::Node& node, const std::string&, Config& config) -> absl::Status {
            ASSIGN_OR_RETURN(at(config), ReadText(node));
            return absl::OkStatus();
          },
          [at](const Config& config) { return WrittenValues{{"", WriteText(at(config))}}; }};
}

template <typename At>
ConfigKey BoolKey(const char* name, At at, const char* help) {
  return {name,
          "true or false",
          help,
          false,
          [at](const YAML::Node& node, const std::string&, Config& config) -> absl::Status {
            ASSIGN_OR_RETURN(at(config), ReadBool(node));
            return absl::OkStatus();
          },
          [at](const Config& config) { return WrittenValues{{"", WriteBool(at(config))}}; }};
}

template <typename At>
ConfigKey NumberKey(const char* name, At at, std::uint64_t min, std::uint64_t max,
                    const char* help) {
  return {name,
          Concat("number, ", min, " to ", max),
          help,
          false,
          [=](const YAML::Node& node, const std::string&, Config& config) -> absl::Status {
            ASSIGN_OR_RETURN(const std::uint64_t number, ReadNumber(node, min, max));
            auto& field = at(config);
            field = static_cast<std::remove_reference_t<decltype(field)>>(number);
            return absl::OkStatus();
          },
          [at](const Config& config) { return WrittenValues{{"", Concat(at(config))}}; }};
}

template <typename At>
ConfigKey SizeKey(const char* name, At at, const char* help) {
  return {name,
          "size",
          help,
          false,
          [at](const YAML::Node& node, const std::string&, Config& config) -> absl::Status {
            ASSIGN_OR_RETURN(at(config), ReadSize(node));
            return absl::OkStatus();
          },
          [at](const Config& config) { return WrittenValues{{"", WriteSize(at(config))}}; }};
}

/// Zero is refused unless it has a meaning.
template <typename At>
ConfigKey DurationKey(const char* name, At at, const char* help, bool zero_allowed = false) {
  return {name,
          "duration",
          help,
          false,
          [at, zero_allowed](const YAML::Node& node, const std::string&,
                             Config& config) -> absl::Status {
            ASSIGN_OR_RETURN(const Duration duration, ReadDuration(node));
            if (duration == Duration::zero() && !zero_allowed) {
              return absl::InvalidArgumentError("must be more than 0");
            }
            at(config) = duration;
            return absl::OkStatus();
          },
          [at](const Config& config) { return WrittenValues{{"", WriteDuration(at(config))}}; }};
}

template <typename Enum, typename At>
ConfigKey ChoiceKey(const char* name, At at, std::vector<Choice<Enum>> choices, const char* help) {
  const Kind<Enum> kind = ChoiceKind(std::move(choices));
  return {name,
          kind.type,
          help,
          kind.is_text,
          [at, kind](const YAML::Node& node, const std::string&, Config& config) -> absl::Status {
            ASSIGN_OR_RETURN(at(config), kind.read(node));
            return absl::OkStatus();
          },
          [at, kind](const Config& config) { return WrittenValues{{"", kind.write(at(config))}}; }};
}

// NOLINTBEGIN(bugprone-macro-parentheses)
#define FETCHD_AT(field) [](auto& config) -> auto& { return config.field; }
// NOLINTEND(bugprone-macro-parentheses)

}  // namespace fetchd::app
