#include "app/store_config.h"

#include <algorithm>
#include <utility>

#include "app/azure_store_config.h"
#include "base/byte_size.h"
#include "base/strings.h"
#include "objstore/azure_config.h"

namespace fetchd::app {
namespace {

constexpr std::size_t kMaxLabel = 63;  // Of a host name (RFC 1035 2.3.4).

/// A bucket's name stands before the endpoint's.
bool FitsIntoHost(const std::string& bucket) {
  return bucket.size() <= kMaxLabel &&
         std::ranges::none_of(bucket, [](char c) { return c == '_' || (c >= 'A' && c <= 'Z'); });
}

bool IsGoogles(StoreCredentials source) {
  return source == StoreCredentials::kStatic || source == StoreCredentials::kEnvironment ||
         source == StoreCredentials::kFile;
}

/// What is wrong with one store, by key.
class StoreChecker {
 public:
  StoreChecker(const std::string& name, const StoreSettings& store,
               std::vector<std::string>& errors)
      : store_(store), errors_(errors), prefix_(Concat("stores.", name, '.')) {}

  void Check(const std::map<std::string, net::TlsProfile>& profiles, std::uint64_t buffer_bytes) {
    const bool is_azure = store_.type == StoreType::kAzblob;
    for (const SettingError& error : is_azure ? AzureErrors(store_) : OnlyAzures(store_)) {
      Wrong(error.key, error.what);
    }
    const absl::StatusOr<Url> endpoint = EndpointOf(store_);
    if (endpoint.ok()) {
      CheckEndpoint(*endpoint, profiles);
    } else if (!is_azure || !store_.endpoint.empty()) {  // Else the account is what is wrong.
      Wrong("endpoint", MessageOf(endpoint.status()));
    }
    CheckMemory(buffer_bytes);
    if (!is_azure) CheckS3();
  }

 private:
  void Wrong(std::string_view key, std::string_view what) {
    errors_.push_back(Concat(prefix_, key, ": ", what));
  }

  void CheckS3() {
    CheckSource();
    CheckStaticKeys();
    if (!store_.kms_key_id.empty() && store_.encryption != "aws:kms") {
      Wrong("kms_key_id", "is of no use without encryption: aws:kms");
    }
    if (store_.type == StoreType::kGs && store_.checksum == StoreChecksum::kCrc32c) {
      Wrong("checksum", "Google's store does not take it under this name: write md5 or none");
    }
    if (store_.type == StoreType::kGs && ConditionalWritesOf(store_) != ConditionalWrites::kNone) {
      Wrong("conditional_writes", "Google's store has none in S3's protocol: write none or auto");
    }
  }

  void CheckEndpoint(const Url& endpoint, const std::map<std::string, net::TlsProfile>& profiles) {
    const bool is_azure = store_.type == StoreType::kAzblob;
    if (!store_.path_style && !is_azure) CheckVirtualHosts(endpoint);
    if (!store_.signs_payload && !is_azure && !endpoint.is_https()) {
      Wrong("payload_signing", "unsigned needs an https endpoint: only TLS guards such bytes");
    }
    if (store_.tls_profile.empty()) return;
    if (!profiles.contains(store_.tls_profile)) {
      Wrong("tls_profile", Concat("there is no tls.profiles.", store_.tls_profile));
    } else if (!endpoint.is_https()) {
      Wrong("tls_profile", "only an https endpoint is spoken to in TLS");
    }
  }

  void CheckVirtualHosts(const Url& endpoint) {
    if (endpoint.address()) {
      Wrong("path_style", Concat("must be true with the endpoint ", endpoint.host(),
                                 ": a bucket's name cannot stand before an address"));
    }
    for (const std::string& bucket : store_.buckets) {
      if (FitsIntoHost(bucket)) continue;
      Wrong("buckets", Concat('"', bucket, "\" cannot be part of a host name: set path_style"));
    }
  }

  void CheckSource() {
    const StoreCredentials source = store_.credentials;
    if (store_.type == StoreType::kGs && !IsGoogles(source)) {
      Wrong("credentials", "Google's store takes HMAC keys: write static, environment or file");
    }
    for (const auto& [key, value] : {std::pair("credentials_file", &store_.credentials_file),
                                     std::pair("profile", &store_.profile)}) {
      if (value->empty() || MayAsk(store_, StoreCredentials::kFile)) continue;
      Wrong(key, "is of use with credentials: file or auto only");
    }
    for (const auto& [key, value] :
         {std::pair("role_arn", &store_.role_arn),
          std::pair("web_identity_token_file", &store_.web_identity_token_file)}) {
      if (value->empty() || MayAsk(store_, StoreCredentials::kWebIdentity)) continue;
      Wrong(key, "is of use with credentials: web_identity or auto only");
    }
  }

  void CheckStaticKeys() {
    const bool is_static = store_.credentials == StoreCredentials::kStatic;
    for (const auto& [key, value] :
         {std::pair("access_key_id", &store_.access_key_id),
          std::pair("secret_access_key_file", &store_.secret_access_key_file),
          std::pair("session_token_file", &store_.session_token_file)}) {
      const bool optional = value == &store_.session_token_file;
      if (is_static && value->empty() && !optional) Wrong(key, "credentials: static needs it");
      if (!is_static && !value->empty()) Wrong(key, "is of use with credentials: static only");
    }
  }

  void CheckMemory(std::uint64_t buffer_bytes) {
    const std::uint64_t buffers = store_.parts_in_flight + 1;
    const std::uint64_t held = store_.part_bytes * buffers;
    if (held <= buffer_bytes / 2) return;
    Wrong("part_bytes",
          Concat("one upload holds ", FormatByteSize(store_.part_bytes), " x ", buffers, " = ",
                 FormatByteSize(held), " (parts_in_flight ", store_.parts_in_flight,
                 " and the one that fills), which is more than half of limits.buffer_bytes (",
                 FormatByteSize(buffer_bytes),
                 "): lower part_bytes or parts_in_flight, or raise "
                 "limits.buffer_bytes to ",
                 FormatByteSize(2 * held)));
  }

  const StoreSettings& store_;
  std::vector<std::string>& errors_;
  const std::string prefix_;
};

/// Which bucket both would serve; empty: none, "*": any.
std::string SharedBucket(const StoreSettings& a, const StoreSettings& b) {
  if (a.type != b.type) return "";
  if (a.buckets.empty() && b.buckets.empty()) return "*";
  for (const std::string& bucket : a.buckets) {
    if (std::ranges::count(b.buckets, bucket) != 0) return bucket;
  }
  return "";
}

void CheckBucketOwners(const StoreConfigs& stores, std::vector<std::string>& errors) {
  for (auto later = stores.begin(); later != stores.end(); ++later) {
    for (auto earlier = stores.begin(); earlier != later; ++earlier) {
      const std::string shared = SharedBucket(earlier->second, later->second);
      if (shared.empty()) continue;
      const char* scheme = SchemeOf(later->second.type);
      errors.push_back(Concat(
          "stores.", later->first, ".buckets: ",
          shared == "*" ? Concat("serves every bucket of ", scheme, ":// destinations")
                        : Concat("serves ", scheme, "://", shared),
          ", and so does stores.", earlier->first, ": list in one of them which buckets are its"));
    }
  }
}

}  // namespace

const char* SchemeOf(StoreType type) {
  if (type == StoreType::kAzblob) return "azblob";
  return type == StoreType::kGs ? "gs" : "s3";
}

std::string RegionOf(const StoreSettings& store) {
  if (!store.region.empty()) return store.region;
  return store.type == StoreType::kGs ? "auto" : "us-east-1";
}

absl::StatusOr<Url> EndpointOf(const StoreSettings& store) {
  std::string text = store.endpoint;
  if (text.empty() && store.type == StoreType::kAzblob) {
    return objstore::AzureEndpoint(store.account);
  }
  if (text.empty() && store.type == StoreType::kGs) text = "https://storage.googleapis.com";
  if (text.empty()) {
    const std::string region = RegionOf(store);
    text = Concat("https://s3.", region, ".amazonaws.com", region.starts_with("cn-") ? ".cn" : "");
  }
  ASSIGN_OR_RETURN(Url url, Url::Parse(text));
  if (url.target().find('?') == std::string::npos) return url;
  return absl::InvalidArgumentError("must have no query");
}

ConditionalWrites ConditionalWritesOf(const StoreSettings& store) {
  if (store.conditional_writes != ConditionalWrites::kAuto) return store.conditional_writes;
  const bool is_aws = store.type == StoreType::kS3 && store.endpoint.empty();
  return is_aws || store.type == StoreType::kAzblob ? ConditionalWrites::kAll
                                                    : ConditionalWrites::kNone;
}

bool MayAsk(const StoreSettings& store, StoreCredentials source) {
  if (store.type == StoreType::kAzblob) return false;
  if (store.credentials == StoreCredentials::kAuto) return source != StoreCredentials::kStatic;
  return store.credentials == source;
}

std::size_t ConnectionsFor(const StoreConfigs& stores) {
  std::size_t connections = 0;
  for (const auto& [name, store] : stores) connections += store.parts_in_flight;
  return connections;
}

void CheckStores(const StoreConfigs& stores, const std::map<std::string, net::TlsProfile>& profiles,
                 std::uint64_t buffer_bytes, std::vector<std::string>& errors) {
  for (const auto& [name, store] : stores) {
    StoreChecker(name, store, errors).Check(profiles, buffer_bytes);
  }
  CheckBucketOwners(stores, errors);
}

void RemarkOnStores(const StoreConfigs& stores, std::vector<std::string>& remarks) {
  for (const auto& [name, store] : stores) {
    const absl::StatusOr<Url> endpoint = EndpointOf(store);
    if (!endpoint.ok() || endpoint->is_https()) continue;
    remarks.push_back(Concat("stores.", name, ".endpoint: ", endpoint->origin().ToString(),
                             " is spoken to without TLS: who is on the way can read what is "
                             "stored"));
  }
}

}  // namespace fetchd::app
