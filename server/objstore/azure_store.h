// Azure Blob Storage: block blobs.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "objstore/azure_answers.h"
#include "objstore/azure_requester.h"
#include "objstore/object_store.h"

namespace fetchd::objstore {

/// One a shard for each store. `clients`, `cooldown` and `clock` outlive it and its calls; the
/// cooldown is shared by all shards' stores of that name. The clients do not follow redirects.
///
/// The service has blocks of a blob, and no uploads: an upload is a random id that its blocks have
/// in theirs. So what is there is told by blocks: those that wait are an upload's parts, those that
/// the blob has say which upload made it.
class AzureStore final : public ObjectStore {
 public:
  /// CHECKs that Check(config) is OK. `uniform` gives numbers in [0, 1).
  AzureStore(AzureConfig config, AzureAccess access, StoreClients clients, Cooldown& cooldown,
             Clock& clock, std::function<double()> uniform);

  const Features& features() const override { return features_; }
  /// After an answer that was lost a precondition that does not hold is resolved by what is there:
  /// a blob of the MD5 and size of `bytes` is the one.
  Task<absl::StatusOr<ObjectInfo>> Put(ObjectName object, http::BorrowedBytes bytes,
                                       ObjectAttributes attributes,
                                       Precondition precondition) override;
  /// Asks nobody: no request tells whether a blob could be written without writing. What is wrong
  /// with names and attributes is said here.
  Task<absl::StatusOr<std::string>> BeginUpload(ObjectName object,
                                                ObjectAttributes attributes) override;
  /// The ETag of a part is the id of its block. FAILED_PRECONDITION: there is no such container,
  /// which is found out here; NOT_FOUND would mean that the upload is gone.
  Task<absl::StatusOr<Part>> PutPart(ObjectName object, std::string upload, int number,
                                     http::BorrowedBytes bytes) override;
  Task<absl::StatusOr<std::vector<Part>>> ListParts(ObjectName object, std::string upload) override;
  /// Blocks that do not wait any more were completed when the blob consists of them. NOT_FOUND:
  /// they are gone.
  Task<absl::StatusOr<ObjectInfo>> CompleteUpload(ObjectName object, std::string upload,
                                                  std::vector<Part> parts,
                                                  ObjectAttributes attributes,
                                                  Precondition precondition) override;
  /// Asks nobody: blocks that wait cannot be removed without making the blob, or making it anew.
  /// They vanish when it is written, or after a week.
  Task<absl::Status> AbortUpload(ObjectName object, std::string upload) override;
  /// None: there would be nothing to do about them.
  Task<absl::StatusOr<std::vector<Upload>>> ListUploads(std::string bucket,
                                                        std::string prefix) override;
  Task<absl::StatusOr<ObjectInfo>> Head(ObjectName object) override;
  Task<absl::StatusOr<http::Response>> Get(ObjectName object, std::uint64_t offset,
                                           std::string if_match) override;
  Task<absl::StatusOr<http::Response>> Fetch(ObjectName object, http::Request wanted,
                                             http::Call call) override;
  /// FAILED_PRECONDITION: it has snapshots, which are not ours to delete.
  Task<absl::Status> Delete(ObjectName object) override;

 private:
  /// With `bytes` of an object as its body, and with the checksum that the configuration wants.
  Task<StoreReply> SendBytes(StoreOperation operation, http::BorrowedBytes bytes);
  Task<absl::StatusOr<BlockLists>> BlocksOf(ObjectName object);
  /// Whether the blob that is there is the one of `bytes`: a Put whose answer was lost.
  Task<absl::StatusOr<ObjectInfo>> WhatWasPut(ObjectName object, http::BorrowedBytes bytes,
                                              absl::Status otherwise);
  /// Whether the blob that is there consists of `blocks`.
  Task<absl::StatusOr<ObjectInfo>> WhatWasCompleted(ObjectName object, std::vector<Block> blocks,
                                                    absl::Status otherwise);
  StoreOperation Of(const char* name, const char* method, const ObjectName& object) const;

  const AzureConfig config_;
  const Features features_{.tells_completed = true};
  AzureRequester requester_;
};

/// The headers that carry `attributes`. INVALID_ARGUMENT: a value that cannot stand in a header, a
/// name of metadata that is no identifier of C#, a tag of characters that the service does not
/// take, encryption (which is the account's to choose).
absl::StatusOr<std::vector<http::Header>> AzureHeadersOf(const ObjectAttributes& attributes);

}  // namespace fetchd::objstore
