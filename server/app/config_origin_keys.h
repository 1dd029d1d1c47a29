// The rows of config_schema.h that are about origins.
#pragma once

#include <vector>

#include "app/config_schema.h"

namespace fetchd::app {

/// `origins.<pattern>.*`.
std::vector<ConfigKey> OriginKeys();

}  // namespace fetchd::app
