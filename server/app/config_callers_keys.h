// The keys callers.*: who may call.
#pragma once

#include <vector>

#include "app/config_schema.h"

namespace fetchd::app {

std::vector<ConfigKey> CallersKeys();

}  // namespace fetchd::app
