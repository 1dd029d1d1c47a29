// What may be said of a store of type azblob, and of no other.
#pragma once

#include <string>
#include <vector>

#include "app/store_config.h"

namespace fetchd::app {

struct SettingError {
  const char* key;
  std::string what;
};

/// Of a store of that type: an account or credentials that are missing or double, and keys that
/// are S3's.
std::vector<SettingError> AzureErrors(const StoreSettings& store);
/// Of a store of another type: keys that are Azure's.
std::vector<SettingError> OnlyAzures(const StoreSettings& store);

}  // namespace fetchd::app
