// The stores of objects that the configuration names, ready for use.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "app/store_config.h"
#include "base/status.h"
#include "http/shared_client.h"
#include "objstore/azure_config.h"
#include "objstore/cooldown.h"
#include "objstore/credentials.h"
#include "objstore/local_credentials.h"
#include "objstore/s3_config.h"
#include "objstore/store_meter_metrics.h"
#include "runtime/runtime.h"
#include "sink/object_places.h"

namespace fetchd::app {

/// How a store's requests are written. FAILED_PRECONDITION: settings that CheckStores refuses.
absl::StatusOr<objstore::S3Config> S3ConfigOf(const std::string& name, const StoreSettings& store);

/// Likewise of one whose type is azblob.
absl::StatusOr<objstore::AzureConfig> AzureConfigOf(const std::string& name,
                                                    const StoreSettings& store);

/// What the shards' stores of one name share: whose they are, and until when to wait. Made on any
/// thread before the first request; outlives the places that it makes.
class ObjectStores {
 public:
  struct Deps {
    runtime::Runtime& runtime;
    Clock& clock;
    http::SharedClient& client;
    objstore::Environment environment = objstore::ProcessEnvironment;
  };
  /// Reads the files of static keys; all others are fetched when the first request wants them.
  /// The message of an error begins with the key that is wrong.
  static absl::StatusOr<std::unique_ptr<ObjectStores>> Create(const StoreConfigs& stores,
                                                              Deps deps);

  /// One store a shard in each. Once.
  std::vector<sink::ObjectPlace> MakePlaces();
  /// What all of them are asked, by name. Lives as long as this.
  objstore::StoreMeters meters() const;

 private:
  /// The store of one shard, which has these clients.
  using Maker =
      std::function<std::unique_ptr<objstore::ObjectStore>(objstore::StoreClients clients)>;
  struct Shared {
    StoreSettings settings;
    std::unique_ptr<objstore::CredentialsSource> credentials;  ///< Null: those of Azure are fixed.
    std::unique_ptr<objstore::Cooldown> cooldown;
    std::unique_ptr<objstore::StoreMeter> meter = std::make_unique<objstore::StoreMeter>();
    Maker make = nullptr;
  };
  explicit ObjectStores(Deps deps) : deps_(std::move(deps)) {}
  absl::StatusOr<Shared> MakeS3(const std::string& name, const StoreSettings& store);
  absl::StatusOr<Shared> MakeAzure(const std::string& name, const StoreSettings& store);
  absl::StatusOr<std::unique_ptr<objstore::CredentialsSource>> MakeCredentials(
      const std::string& name, const StoreSettings& store);

  const Deps deps_;
  std::map<std::string, Shared> shared_;  ///< By the store's name.
};

}  // namespace fetchd::app
