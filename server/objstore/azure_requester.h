// Requests to one account of Azure Blob Storage: addressed, signed, and sent again where that
// helps.
#pragma once

#include <functional>

#include "objstore/azure_config.h"
#include "objstore/store_requests.h"

namespace fetchd::objstore {

/// What requests are written by: blocks of 4000 MiB, tags and conditions on them are in it.
inline constexpr char kAzureVersion[] = "2021-12-02";

/// Lives on one shard. Each attempt is signed anew.
class AzureRequester {
 public:
  AzureRequester(const AzureConfig& config, AzureAccess access, StoreClients clients,
                 Cooldown& cooldown, Clock& clock, std::function<double()> uniform)
      : config_(config),
        access_(std::move(access)),
        requests_(config.name, config.timing, clients, cooldown, clock, std::move(uniform)) {}

  Task<StoreReply> Send(StoreOperation operation);
  /// One attempt to read: see ObjectStore::Fetch.
  Task<absl::StatusOr<http::Response>> Fetch(StoreOperation operation, http::Call call);

  StoreContext ContextOf(const StoreOperation& operation) const {
    return requests_.ContextOf(operation);
  }

 private:
  class Author;

  absl::StatusOr<http::Request> Compose(const StoreOperation& operation) const;
  bool by_key() const { return access_.sas_token.empty(); }

  const AzureConfig& config_;
  const AzureAccess access_;
  StoreRequests requests_;
};

}  // namespace fetchd::objstore
