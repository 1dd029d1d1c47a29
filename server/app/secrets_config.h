// What the configuration says under `secrets`.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "base/time.h"

namespace fetchd::app {

struct NamedSecretConfig {
  std::string file;
  std::vector<std::string> hosts;    ///< http::HostPattern::Parse; none is refused.
  std::vector<std::string> tenants;  ///< "*" = all; none is refused.
};

struct SecretsConfig {
  std::string key_file;                  ///< Empty = <data_dir>/fetchd.key, made when absent.
  std::vector<std::string> key_command;  ///< A program and its arguments; empty = none.
  Duration key_command_timeout = std::chrono::seconds(30);
  std::map<std::string, NamedSecretConfig> named;
};

}  // namespace fetchd::app
