// A store of objects, whatever its protocol.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "http/client.h"

namespace fetchd::objstore {

/// As the caller names it: no percent-encoding, 1..1024 bytes of UTF-8 (S3's limit).
struct ObjectName {
  std::string bucket;  ///< Azure: the container.
  std::string key;     ///< Azure: the blob's name.
  friend bool operator==(const ObjectName&, const ObjectName&) = default;
};

/// What is kept with an object. Empty = not sent.
struct ObjectAttributes {
  std::string content_type;
  std::string content_disposition;
  std::string cache_control;
  std::string storage_class;  ///< S3: x-amz-storage-class. Azure: the access tier.
  std::string encryption;     ///< S3: x-amz-server-side-encryption, "AES256" or "aws:kms".
  std::string kms_key_id;     ///< S3, with "aws:kms".
  std::vector<std::pair<std::string, std::string>> metadata;  ///< x-amz-meta-<name>.
  std::vector<std::pair<std::string, std::string>> tags;
};

/// When an object may be made.
enum class Precondition { kNone, kAbsent };

struct ObjectInfo {
  std::uint64_t size_bytes = 0;
  std::string etag;           ///< As the store writes it, quotes included.
  std::string version;        ///< Empty where the bucket keeps none.
  std::string last_modified;  ///< As the store writes it.
  /// Of its content, in hexadecimal; empty where the store has none of it beside the ETag.
  std::string md5 = {};
};

struct Part {
  int number = 0;  ///< From 1.
  std::string etag;
  std::uint64_t size_bytes = 0;
  std::string crc32c;  ///< Base64, where checksums are sent: completing needs it. Else empty.
  friend bool operator==(const Part&, const Part&) = default;
};

/// One that was begun, and neither completed nor aborted.
struct Upload {
  std::string key;
  std::string id;
  WallTime begun_at;  ///< By the store's clock; the epoch where it does not say.
};

/// What a store can do of what not all can.
struct Features {
  bool conditional_put = true;       ///< Precondition::kAbsent of Put.
  bool conditional_complete = true;  ///< And of CompleteUpload.
  /// ListParts is NOT_FOUND only where the object that is there was made of that upload.
  bool tells_completed = false;
};

/// Lives on one shard, used by any number of its tasks; what is borrowed in a call outlives the
/// call. Each call tries again by itself what may pass (timeouts, 5xx, SlowDown) and then says
/// UNAVAILABLE. Errors carry the store's own code and request id in message and reason: NOT_FOUND
/// (NoSuchBucket, NoSuchUpload, NoSuchKey), PERMISSION_DENIED (AccessDenied,
/// SignatureDoesNotMatch, InvalidAccessKeyId), ALREADY_EXISTS (a precondition does not hold),
/// FAILED_PRECONDITION (RequestTimeTooSkewed: our clock; no credentials), RESOURCE_EXHAUSTED (a
/// quota, a full store), DATA_LOSS (BadDigest: what arrived is not what was sent), INVALID_ARGUMENT
/// (what the store does not take), UNIMPLEMENTED (what it cannot do: see Features). UNAVAILABLE has
/// a retry-after where the store asked for time.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;
  virtual const Features& features() const = 0;

  /// A whole object in one request.
  virtual Task<absl::StatusOr<ObjectInfo>> Put(ObjectName object, http::BorrowedBytes bytes,
                                               ObjectAttributes attributes,
                                               Precondition precondition) = 0;

  /// An object in parts: it appears with CompleteUpload, or never. Returns the upload's id.
  virtual Task<absl::StatusOr<std::string>> BeginUpload(ObjectName object,
                                                        ObjectAttributes attributes) = 0;
  virtual Task<absl::StatusOr<Part>> PutPart(ObjectName object, std::string upload, int number,
                                             http::BorrowedBytes bytes) = 0;
  /// By number. NOT_FOUND: the upload was completed or aborted (see Features).
  virtual Task<absl::StatusOr<std::vector<Part>>> ListParts(ObjectName object,
                                                            std::string upload) = 0;
  /// May be called again after an answer that was lost: what is there by then counts.
  virtual Task<absl::StatusOr<ObjectInfo>> CompleteUpload(ObjectName object, std::string upload,
                                                          std::vector<Part> parts,
                                                          ObjectAttributes attributes,
                                                          Precondition precondition) = 0;
  /// OK also when there is none.
  virtual Task<absl::Status> AbortUpload(ObjectName object, std::string upload) = 0;
  /// Of all keys that begin with `prefix`.
  virtual Task<absl::StatusOr<std::vector<Upload>>> ListUploads(std::string bucket,
                                                                std::string prefix) = 0;

  virtual Task<absl::StatusOr<ObjectInfo>> Head(ObjectName object) = 0;
  /// From `offset`; the body is not tried again. OUT_OF_RANGE: the object is not that long.
  /// `if_match`: NOT_FOUND when the object is another by now; empty = any.
  virtual Task<absl::StatusOr<http::Response>> Get(ObjectName object, std::uint64_t offset,
                                                   std::string if_match) = 0;
  /// The object as an origin serves it, for callers who try again by themselves: one attempt. Of
  /// `wanted` method (GET, HEAD), range, conditions (If-Range among them) and decoding count, and
  /// nothing else is sent. Any HTTP status is a value; a failure has what the store says of it, as
  /// above. Response::url is that of `wanted`.
  virtual Task<absl::StatusOr<http::Response>> Fetch(ObjectName object, http::Request wanted,
                                                     http::Call call) = 0;
  /// OK also when there is none.
  virtual Task<absl::Status> Delete(ObjectName object) = 0;
};

}  // namespace fetchd::objstore
