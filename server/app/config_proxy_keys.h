// The rows of config_schema.h that are about proxies.
#pragma once

#include <vector>

#include "app/config_schema.h"

namespace fetchd::app {

/// `proxies.<name>.*`, then `proxy.*`.
std::vector<ConfigKey> ProxyKeys();

}  // namespace fetchd::app
