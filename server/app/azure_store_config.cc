#include "app/azure_store_config.h"

#include "objstore/azure_config.h"

namespace fetchd::app {
namespace {

/// A key, and whether it says something else than what it says by itself.
struct GivenKey {
  const char* key;
  bool given;
};

std::vector<GivenKey> KeysOfAws(const StoreSettings& store) {
  return {{"region", !store.region.empty()},
          {"path_style", store.path_style},
          {"credentials", store.credentials != StoreCredentials::kAuto},
          {"access_key_id", !store.access_key_id.empty()},
          {"secret_access_key_file", !store.secret_access_key_file.empty()},
          {"session_token_file", !store.session_token_file.empty()},
          {"credentials_file", !store.credentials_file.empty()},
          {"profile", !store.profile.empty()},
          {"role_arn", !store.role_arn.empty()},
          {"web_identity_token_file", !store.web_identity_token_file.empty()},
          {"payload_signing", !store.signs_payload}};
}

void CheckAzureAccess(const StoreSettings& store, std::vector<SettingError>& errors) {
  const absl::Status account = objstore::AzureEndpoint(store.account).status();
  if (!account.ok()) {
    errors.push_back({"account", "type: azblob needs it: 3 to 24 lower-case letters and digits"});
  }
  const bool key = !store.account_key_file.empty(), token = !store.sas_token_file.empty();
  if (!key && !token) {
    errors.push_back({"account_key_file", "type: azblob needs it, or sas_token_file"});
  }
  if (key && token) {
    errors.push_back({"sas_token_file", "is of no use beside account_key_file: write one of them"});
  }
  const absl::StatusOr<Url> endpoint = EndpointOf(store);
  if (token && endpoint.ok() && !endpoint->is_https()) {
    errors.push_back(
        {"sas_token_file", "needs an https endpoint: the token is in the URL of each request"});
  }
}

}  // namespace

std::vector<SettingError> AzureErrors(const StoreSettings& store) {
  std::vector<SettingError> errors;
  CheckAzureAccess(store, errors);
  for (const GivenKey& each : KeysOfAws(store)) {
    if (each.given) errors.push_back({each.key, "is of no use with type: azblob"});
  }
  if (store.checksum == StoreChecksum::kCrc32c) {
    errors.push_back({"checksum", "Azure's store does not know it: write md5 or none"});
  }
  if (ConditionalWritesOf(store) != ConditionalWrites::kAll) {
    errors.push_back({"conditional_writes", "Azure's store has them all: write all or auto"});
  }
  for (const GivenKey& each : {GivenKey{"encryption", !store.encryption.empty()},
                               GivenKey{"kms_key_id", !store.kms_key_id.empty()}}) {
    if (!each.given) continue;
    errors.push_back({each.key, "Azure encrypts all blobs, with the keys that the account says"});
  }
  return errors;
}

std::vector<SettingError> OnlyAzures(const StoreSettings& store) {
  std::vector<SettingError> errors;
  for (const GivenKey& each : {GivenKey{"account", !store.account.empty()},
                               GivenKey{"account_key_file", !store.account_key_file.empty()},
                               GivenKey{"sas_token_file", !store.sas_token_file.empty()}}) {
    if (each.given) errors.push_back({each.key, "is of use with type: azblob only"});
  }
  return errors;
}

}  // namespace fetchd::app
