// From defaults, file, environment and flags to a Config; all errors at once.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "app/config.h"

namespace fetchd::app {

/// Later ones win: defaults, file, environment, settings.
struct ConfigSources {
  std::optional<std::string> file;       ///< Path of a YAML file.
  std::vector<std::string> environment;  ///< "FETCHD_GRPC_LISTEN=127.0.0.1:0"; others are ignored.
  std::vector<std::string> settings;     ///< "limits.connections=512", each value YAML.
};

struct LoadedConfig {
  Config config;
  /// Each says where ("fetchd.yaml:12", "--set"), which key, what is wrong and what to write.
  std::vector<std::string> errors;
  std::vector<std::string> warnings;
};

LoadedConfig LoadConfig(const ConfigSources& sources);

/// What single keys cannot tell: caps that must agree, stores that exist. Empty when all is well.
std::vector<std::string> CheckConfig(const Config& config);

/// What is allowed and may surprise.
std::vector<std::string> WarningsAbout(const Config& config);

/// The effective values as a commented YAML file that LoadConfig reads to the same effect.
std::string PrintConfig(const Config& config);

}  // namespace fetchd::app
