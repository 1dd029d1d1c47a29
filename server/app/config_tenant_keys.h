// The keys under `tenants.<name>`.
#pragma once

#include <vector>

#include "app/config_schema.h"

namespace fetchd::app {

std::vector<ConfigKey> TenantKeys();

}  // namespace fetchd::app
