// The one table of configuration keys: parsing, --print-config, environment names and suggestions
// all read it.
#pragma once

#include <yaml-cpp/yaml.h>

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/config.h"
#include "base/status.h"

namespace fetchd::app {

struct ConfigKey {
  /// "limits.connections"; one part may be "<name>", which stands for a name that the user chooses.
  std::string name;
  std::string type;      ///< "duration": for people.
  std::string help;      ///< One sentence.
  bool is_text = false;  ///< Takes what is given on a command line or in the environment as it is.
  /// `chosen` is what stands for <name>. INVALID_ARGUMENT: what was expected.
  std::function<absl::Status(const YAML::Node& value, const std::string& chosen, Config& config)>
      read;
  /// The value as YAML; with <name>, one entry a name (`first` = the name).
  std::function<std::vector<std::pair<std::string, std::string>>(const Config& config)> write;
};

/// In the order of --print-config; keys of a section stand together.
const std::vector<ConfigKey>& ConfigKeys();

struct KeyMatch {
  const ConfigKey* key = nullptr;
  std::string chosen;
};
/// Null key when there is none.
KeyMatch FindKey(std::string_view path);
/// True when `path` is a section: some keys are below it.
bool IsSection(std::string_view path);
/// The key that the user may have meant; empty when none is near.
std::string NearestKey(std::string_view path);
/// "FETCHD_LIMITS_CONNECTIONS".
std::string EnvironmentName(const ConfigKey& key);
/// The key of an environment variable. Null key when there is none.
KeyMatch FindEnvironmentKey(std::string_view variable);

}  // namespace fetchd::app
