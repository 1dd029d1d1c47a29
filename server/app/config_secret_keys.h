// The keys under `secrets`, and what is wrong with their values.
#pragma once

#include <string>
#include <vector>

#include "app/config_schema.h"
#include "app/secrets_config.h"

namespace fetchd::app {

std::vector<ConfigKey> SecretKeys();

/// Adds to `errors` what cannot be used together, and what would do nothing or too much.
void CheckSecrets(const SecretsConfig& secrets, std::vector<std::string>& errors);

}  // namespace fetchd::app
