#include "app/object_stores.h"

#include <optional>
#include <random>
#include <utility>

#include "app/credential_files.h"
#include "base/strings.h"
#include "objstore/azure_store.h"
#include "objstore/remote_credentials.h"
#include "objstore/s3_store.h"

namespace fetchd::app {
namespace {

/// All credentials are fetched there.
constexpr std::size_t kHomeShard = 0;

double Uniform() {
  thread_local std::mt19937_64 random(std::random_device{}());
  return std::uniform_real_distribution<double>(0, 1)(random);
}

/// What AWS's tools take from the environment, but what the configuration says goes first.
objstore::Environment EnvironmentOf(const StoreSettings& store, objstore::Environment process) {
  std::map<std::string, std::string, std::less<>> said = {
      {"AWS_SHARED_CREDENTIALS_FILE", store.credentials_file},
      {"AWS_PROFILE", store.profile},
      {"AWS_ROLE_ARN", store.role_arn},
      {"AWS_WEB_IDENTITY_TOKEN_FILE", store.web_identity_token_file}};
  std::erase_if(said, [](const auto& entry) { return entry.second.empty(); });
  return [said = std::move(said),
          process = std::move(process)](const char* name) -> std::optional<std::string> {
    const auto found = said.find(name);
    return found != said.end() ? found->second : process(name);
  };
}

using ProviderOr = absl::StatusOr<std::unique_ptr<objstore::CredentialsProvider>>;

/// One that gets its settings from the environment; `missing` says that there are none.
template <typename Provider>
ProviderOr MakeRemote(const objstore::Environment& environment,
                      const objstore::CredentialsServices& services, const char* missing) {
  ASSIGN_OR_RETURN(auto config, Provider::From(environment));
  if (!config) return absl::FailedPreconditionError(missing);
  return std::make_unique<Provider>(*std::move(config), services);
}

ProviderOr MakeProvider(const StoreSettings& store, const objstore::Environment& environment,
                        const objstore::CredentialsServices& services) {
  switch (store.credentials) {
    case StoreCredentials::kStatic:
    case StoreCredentials::kAuto:
      break;
    case StoreCredentials::kEnvironment:
      return std::make_unique<objstore::EnvironmentCredentials>(environment);
    case StoreCredentials::kFile:
      return std::make_unique<objstore::ProfileCredentials>(
          objstore::ProfileFiles::From(environment), services.pool);
    case StoreCredentials::kWebIdentity:
      return MakeRemote<objstore::WebIdentityCredentials>(
          environment, services,
          "web_identity: neither web_identity_token_file nor AWS_WEB_IDENTITY_TOKEN_FILE is set");
    case StoreCredentials::kContainer:
      return MakeRemote<objstore::ContainerCredentials>(
          environment, services,
          "container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and _FULL_URI are not set: this is "
          "no container with a role of its own");
    case StoreCredentials::kInstance:
      return MakeRemote<objstore::InstanceCredentials>(
          environment, services, "instance: AWS_EC2_METADATA_DISABLED is set");
  }
  // A role that nobody could take on would be passed over in silence.
  if (!store.role_arn.empty() && !environment("AWS_WEB_IDENTITY_TOKEN_FILE")) {
    return absl::FailedPreconditionError(
        "auto: there is a role_arn, and no token to take it on with: set web_identity_token_file "
        "or AWS_WEB_IDENTITY_TOKEN_FILE");
  }
  return objstore::DefaultCredentialsChain(environment, services);
}

objstore::ObjectAttributes AttributesOf(const StoreSettings& store) {
  return {.content_disposition = store.content_disposition,
          .cache_control = store.cache_control,
          .storage_class = store.storage_class,
          .encryption = store.encryption,
          .kms_key_id = store.kms_key_id};
}

}  // namespace

absl::StatusOr<objstore::S3Config> S3ConfigOf(const std::string& name, const StoreSettings& store) {
  objstore::S3Config config;
  config.name = name;
  if (store.type == StoreType::kGs || !store.endpoint.empty()) {
    ASSIGN_OR_RETURN(config.endpoint, EndpointOf(store));
  }
  config.region = RegionOf(store);
  config.path_style = store.path_style;
  config.tls_profile = store.tls_profile;
  config.payload =
      store.signs_payload ? objstore::PayloadSigning::kSha256 : objstore::PayloadSigning::kUnsigned;
  config.checksum = store.checksum == StoreChecksum::kCrc32c ? objstore::Checksum::kCrc32c
                                                             : objstore::Checksum::kNone;
  config.content_md5 = store.checksum == StoreChecksum::kMd5;
  const ConditionalWrites conditional = ConditionalWritesOf(store);
  config.features.conditional_put = conditional != ConditionalWrites::kNone;
  config.features.conditional_complete = conditional == ConditionalWrites::kAll;
  const absl::Status checked = objstore::Check(config);
  if (checked.ok()) return config;
  return absl::FailedPreconditionError(Concat("stores.", name, ".", MessageOf(checked)));
}

absl::StatusOr<objstore::AzureConfig> AzureConfigOf(const std::string& name,
                                                    const StoreSettings& store) {
  objstore::AzureConfig config;
  config.name = name;
  config.account = store.account;
  if (!store.endpoint.empty()) {
    ASSIGN_OR_RETURN(config.endpoint, EndpointOf(store));
  }
  config.tls_profile = store.tls_profile;
  config.content_md5 = store.checksum == StoreChecksum::kMd5;
  const absl::Status checked = objstore::Check(config);
  if (checked.ok()) return config;
  return absl::FailedPreconditionError(Concat("stores.", name, ".", MessageOf(checked)));
}

absl::StatusOr<std::unique_ptr<ObjectStores>> ObjectStores::Create(const StoreConfigs& stores,
                                                                   Deps deps) {
  std::unique_ptr<ObjectStores> made(new ObjectStores(std::move(deps)));
  for (const auto& [name, store] : stores) {
    const bool is_azure = store.type == StoreType::kAzblob;
    ASSIGN_OR_RETURN(Shared shared,
                     is_azure ? made->MakeAzure(name, store) : made->MakeS3(name, store));
    made->shared_.emplace(name, std::move(shared));
  }
  return made;
}

absl::StatusOr<ObjectStores::Shared> ObjectStores::MakeS3(const std::string& name,
                                                          const StoreSettings& store) {
  ASSIGN_OR_RETURN(objstore::S3Config config, S3ConfigOf(name, store));
  ASSIGN_OR_RETURN(auto credentials, MakeCredentials(name, store));
  Shared shared{store, std::move(credentials), std::make_unique<objstore::Cooldown>()};
  shared.make = [this, config = std::move(config), &credentials = *shared.credentials,
                 &cooldown = *shared.cooldown](objstore::StoreClients clients) {
    return std::make_unique<objstore::S3Store>(config, clients, credentials, cooldown, deps_.clock,
                                               Uniform);
  };
  return shared;
}

absl::StatusOr<ObjectStores::Shared> ObjectStores::MakeAzure(const std::string& name,
                                                             const StoreSettings& store) {
  ASSIGN_OR_RETURN(objstore::AzureConfig config, AzureConfigOf(name, store));
  ASSIGN_OR_RETURN(objstore::AzureAccess access, ReadAzureAccess(name, store));
  Shared shared{store, nullptr, std::make_unique<objstore::Cooldown>()};
  shared.make = [this, config = std::move(config), access = std::move(access),
                 &cooldown = *shared.cooldown](objstore::StoreClients clients) {
    return std::make_unique<objstore::AzureStore>(config, access, clients, cooldown, deps_.clock,
                                                  Uniform);
  };
  return shared;
}

absl::StatusOr<std::unique_ptr<objstore::CredentialsSource>> ObjectStores::MakeCredentials(
    const std::string& name, const StoreSettings& store) {
  if (store.credentials == StoreCredentials::kStatic) {
    ASSIGN_OR_RETURN(objstore::AwsCredentials keys, ReadStoreKeys(name, store));
    return std::make_unique<objstore::StaticCredentials>(std::move(keys));
  }
  const objstore::CredentialsServices services{.client = deps_.client.ForStores(kHomeShard),
                                               .pool = deps_.runtime.blocking(),
                                               .clock = deps_.clock,
                                               .uniform = Uniform};
  absl::StatusOr<std::unique_ptr<objstore::CredentialsProvider>> provider =
      MakeProvider(store, EnvironmentOf(store, deps_.environment), services);
  if (!provider.ok()) return WithPrefix(provider.status(), Concat("stores.", name, ".credentials"));
  return std::make_unique<objstore::CachedCredentials>(deps_.runtime.shard(kHomeShard).executor(),
                                                       deps_.clock, *std::move(provider));
}

std::vector<sink::ObjectPlace> ObjectStores::MakePlaces() {
  std::vector<sink::ObjectPlace> places;
  for (const auto& [name, shared] : shared_) {
    sink::ObjectPlace& place = places.emplace_back();
    place.name = name;
    place.scheme = SchemeOf(shared.settings.type);
    place.buckets = shared.settings.buckets;
    place.sources = shared.settings.sources;
    place.part_bytes = shared.settings.part_bytes;
    place.parts_in_flight = static_cast<int>(shared.settings.parts_in_flight);
    place.attributes = AttributesOf(shared.settings);
    for (std::size_t shard = 0; shard < deps_.runtime.size(); ++shard) {
      place.by_shard.push_back(shared.make(
          {deps_.client.ForStores(shard), deps_.client.ForStoreBodies(shard), shared.meter.get()}));
    }
  }
  return places;
}

objstore::StoreMeters ObjectStores::meters() const {
  objstore::StoreMeters meters;
  for (const auto& [name, shared] : shared_) meters.emplace(name, shared.meter.get());
  return meters;
}

}  // namespace fetchd::app
