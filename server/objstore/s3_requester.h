// Requests to one store that speaks S3: addressed, signed, and sent again where that helps.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "objstore/credentials.h"
#include "objstore/s3_config.h"
#include "objstore/store_requests.h"

namespace fetchd::objstore {

/// Lives on one shard. Each attempt is signed anew. Tried again besides what StoreRequests does:
/// once in the bucket's own region, which is remembered; once with other credentials when these had
/// expired. A slow operation may have an error behind a 200.
class S3Requester {
 public:
  S3Requester(const S3Config& config, StoreClients clients, CredentialsSource& credentials,
              Cooldown& cooldown, Clock& clock, std::function<double()> uniform)
      : config_(config),
        credentials_(credentials),
        requests_(config.name, config.timing, clients, cooldown, clock, std::move(uniform)) {}

  Task<StoreReply> Send(StoreOperation operation);
  /// One attempt to read: see ObjectStore::Fetch.
  Task<absl::StatusOr<http::Response>> Fetch(StoreOperation operation, http::Call call);

  StoreContext ContextOf(const StoreOperation& operation) const {
    return requests_.ContextOf(operation);
  }

 private:
  class Author;

  absl::StatusOr<http::Request> Compose(const StoreOperation& operation,
                                        const AwsCredentials& credentials) const;
  const std::string& RegionOf(const std::string& bucket) const;
  /// Whether that is news.
  bool LearnRegion(const std::string& bucket, const std::string& region);

  const S3Config& config_;
  CredentialsSource& credentials_;
  StoreRequests requests_;
  std::map<std::string, std::string> regions_;  ///< Of buckets that are not in the configured one.
};

}  // namespace fetchd::objstore
