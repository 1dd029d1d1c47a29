// Reads an object back from its store.
#pragma once

#include <memory>
#include <string>

#include "objstore/object_store.h"
#include "sink/sink.h"

namespace fetchd::sink {

/// Goes on behind what was read when the connection is lost, as long as the object is the same one
/// (If-Match) and each request brings something. Lives on the store's shard.
class ObjectReader final : public Reader {
 public:
  /// Errors: those of ObjectStore::Get.
  static Task<absl::StatusOr<std::unique_ptr<Reader>>> Open(objstore::ObjectStore& store,
                                                            objstore::ObjectName object,
                                                            std::uint64_t offset);
  ObjectReader(objstore::ObjectStore& store, objstore::ObjectName object, std::uint64_t offset)
      : store_(store), object_(std::move(object)), offset_(offset) {}

  std::uint64_t size_bytes() const override { return size_bytes_; }
  Task<absl::StatusOr<std::size_t>> Read(Buffer& into) override;

 private:
  Task<absl::Status> Ask();

  objstore::ObjectStore& store_;
  const objstore::ObjectName object_;
  std::uint64_t offset_;  ///< Of the next byte.
  std::uint64_t size_bytes_ = 0;
  std::string etag_;
  std::unique_ptr<http::Body> body_;  ///< Null: to be asked for again.
  bool brought_ = false;              ///< Something, since it was asked for.
};

}  // namespace fetchd::sink
