// The rows of config_schema.h that are about TLS.
#pragma once

#include <vector>

#include "app/config_schema.h"

namespace fetchd::app {

/// `tls.*`, then `tls.profiles.<name>.*`.
std::vector<ConfigKey> TlsKeys();

}  // namespace fetchd::app
