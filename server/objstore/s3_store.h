// Amazon S3 and what speaks its protocol.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "objstore/object_store.h"
#include "objstore/s3_requester.h"

namespace fetchd::objstore {

/// One a shard for each store. `clients`, `credentials`, `cooldown` and `clock` outlive it and its
/// calls; credentials and cooldown are shared by all shards' stores of that name. The clients do
/// not follow redirects: a request is signed for the host it goes to.
class S3Store final : public ObjectStore {
 public:
  /// CHECKs that Check(config) is OK. `uniform` gives numbers in [0, 1).
  S3Store(S3Config config, StoreClients clients, CredentialsSource& credentials, Cooldown& cooldown,
          Clock& clock, std::function<double()> uniform);

  const Features& features() const override { return config_.features; }
  /// UNIMPLEMENTED: `precondition` is not among the features. After an answer that was lost a
  /// precondition that does not hold is resolved by what is there: ours, or another's.
  Task<absl::StatusOr<ObjectInfo>> Put(ObjectName object, http::BorrowedBytes bytes,
                                       ObjectAttributes attributes,
                                       Precondition precondition) override;
  /// One whose answer was lost is begun a second time; the first is an orphan (ListUploads).
  Task<absl::StatusOr<std::string>> BeginUpload(ObjectName object,
                                                ObjectAttributes attributes) override;
  Task<absl::StatusOr<Part>> PutPart(ObjectName object, std::string upload, int number,
                                     http::BorrowedBytes bytes) override;
  Task<absl::StatusOr<std::vector<Part>>> ListParts(ObjectName object, std::string upload) override;
  /// An upload that is not there any more was completed when the object has the ETag that these
  /// parts make, or, where the store's ETags are no MD5s, their size.
  Task<absl::StatusOr<ObjectInfo>> CompleteUpload(ObjectName object, std::string upload,
                                                  std::vector<Part> parts,
                                                  ObjectAttributes attributes,
                                                  Precondition precondition) override;
  Task<absl::Status> AbortUpload(ObjectName object, std::string upload) override;
  Task<absl::StatusOr<std::vector<Upload>>> ListUploads(std::string bucket,
                                                        std::string prefix) override;
  Task<absl::StatusOr<ObjectInfo>> Head(ObjectName object) override;
  Task<absl::StatusOr<http::Response>> Get(ObjectName object, std::uint64_t offset,
                                           std::string if_match) override;
  Task<absl::StatusOr<http::Response>> Fetch(ObjectName object, http::Request wanted,
                                             http::Call call) override;
  Task<absl::Status> Delete(ObjectName object) override;

 private:
  /// What HEAD says, and how it is encrypted.
  struct Headed {
    ObjectInfo info;
    bool md5_etag = true;  ///< Not so under a key of KMS.
  };

  Task<absl::StatusOr<Headed>> HeadOf(ObjectName object);
  /// With `bytes` of an object as its body, and with the checksums that the configuration wants.
  Task<StoreReply> SendBytes(StoreOperation operation, http::BorrowedBytes bytes);
  /// With a body of the protocol's own, or with none. `body` outlives the call.
  Task<StoreReply> SendText(StoreOperation operation, std::string_view body = {});
  /// Whether the object that is there is the one of `bytes`: a Put whose answer was lost.
  Task<absl::StatusOr<ObjectInfo>> WhatWasPut(ObjectName object, http::BorrowedBytes bytes,
                                              absl::Status otherwise);
  Task<absl::StatusOr<ObjectInfo>> WhatWasCompleted(ObjectName object, std::vector<Part> parts,
                                                    absl::Status otherwise);
  /// A precondition did not hold: whether that is for want of an upload that was completed before.
  Task<absl::StatusOr<ObjectInfo>> AfterRefusal(ObjectName object, std::string upload,
                                                std::vector<Part> parts, absl::Status refusal);
  absl::Status CheckPrecondition(const char* operation, Precondition precondition,
                                 bool supported) const;
  StoreOperation Of(const char* name, const char* method, const ObjectName& object) const;

  const S3Config config_;
  S3Requester requester_;
};

/// The headers that carry `attributes`. INVALID_ARGUMENT: a value that cannot stand in a header,
/// or a name of metadata that is no token.
absl::StatusOr<std::vector<http::Header>> HeadersOf(const ObjectAttributes& attributes);

}  // namespace fetchd::objstore
