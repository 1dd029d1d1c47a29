// `stores` of the configuration: what is said of each store of objects, and what follows from it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/url.h"
#include "net/tls.h"

namespace fetchd::app {

enum class StoreType { kS3, kGs, kAzblob };
enum class StoreCredentials {
  kAuto,         ///< The first of environment, web identity, file, container, instance.
  kStatic,       ///< access_key_id and secret_access_key_file.
  kEnvironment,  ///< AWS_ACCESS_KEY_ID and its kind.
  kFile,         ///< AWS's credentials file.
  kWebIdentity,  ///< A token file that STS changes for keys: a Kubernetes service account (IRSA).
  kContainer,    ///< ECS, EKS Pod Identity.
  kInstance,     ///< EC2's metadata service.
};
enum class StoreChecksum { kNone, kCrc32c, kMd5 };
/// Of objects that must not be there yet: those that the store itself refuses.
enum class ConditionalWrites {
  kAuto,  ///< AWS's own store and Azure's kAll, every other kNone.
  kAll,   ///< PutObject and CompleteMultipartUpload.
  kPut,
  kNone,
};

/// One of `stores.<name>`, as written; config_store_keys.cc describes each.
struct StoreSettings {
  StoreType type = StoreType::kS3;
  std::string endpoint;              ///< Empty = the provider's: see EndpointOf.
  std::string region;                ///< Empty = see RegionOf.
  std::vector<std::string> buckets;  ///< Empty = all.
  bool path_style = false;
  bool sources = false;
  std::string tls_profile;
  StoreCredentials credentials = StoreCredentials::kAuto;
  std::string access_key_id;
  std::string secret_access_key_file;
  std::string session_token_file;
  std::string credentials_file;  ///< Empty = as AWS's tools find it.
  std::string profile;           ///< Likewise.
  std::string role_arn;          ///< Likewise.
  std::string web_identity_token_file;
  // azblob: the account, and one of the two files.
  std::string account;
  std::string account_key_file;
  std::string sas_token_file;
  bool signs_payload = true;
  StoreChecksum checksum = StoreChecksum::kNone;
  ConditionalWrites conditional_writes = ConditionalWrites::kAuto;
  std::uint64_t part_bytes = std::uint64_t{8} << 20;
  std::uint64_t parts_in_flight = 4;
  std::string storage_class;
  std::string encryption;  ///< Empty, "AES256" or "aws:kms".
  std::string kms_key_id;
  std::string cache_control;
  std::string content_disposition;
};

/// By name, [a-z0-9-]+.
using StoreConfigs = std::map<std::string, StoreSettings>;

/// "s3", "gs" or "azblob": of the destinations that the store serves.
const char* SchemeOf(StoreType type);
std::string RegionOf(const StoreSettings& store);
/// INVALID_ARGUMENT: it is no http or https URL, or has a query.
absl::StatusOr<Url> EndpointOf(const StoreSettings& store);
ConditionalWrites ConditionalWritesOf(const StoreSettings& store);  ///< Never kAuto.
/// Whether its keys may come from there; never those of Azure.
bool MayAsk(const StoreSettings& store, StoreCredentials source);

/// Places for connections to all of them, besides limits.connections: origins may hold all of those
/// while their bodies wait to be stored, and then nobody would go on. One object has its parts on
/// their way at once.
std::size_t ConnectionsFor(const StoreConfigs& stores);

/// What single keys cannot tell, each beginning with its key.
void CheckStores(const StoreConfigs& stores, const std::map<std::string, net::TlsProfile>& profiles,
                 std::uint64_t buffer_bytes, std::vector<std::string>& errors);
/// What is allowed and may surprise: stores without TLS.
void RemarkOnStores(const StoreConfigs& stores, std::vector<std::string>& remarks);

}  // namespace fetchd::app
