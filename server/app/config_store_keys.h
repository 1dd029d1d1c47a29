// The rows of config_schema.h that are about stores of objects.
#pragma once

#include <vector>

#include "app/config_schema.h"

namespace fetchd::app {

/// `stores.<name>.*`.
std::vector<ConfigKey> StoreKeys();

}  // namespace fetchd::app
