// The keys grpc.*: where the API listens, and behind which TLS.
#pragma once

#include <vector>

#include "app/config_schema.h"

namespace fetchd::app {

std::vector<ConfigKey> GrpcKeys();

}  // namespace fetchd::app
