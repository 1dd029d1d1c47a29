#include "sink/object_reader.h"

#include <utility>

#include "base/strings.h"

namespace fetchd::sink {

Task<absl::StatusOr<std::unique_ptr<Reader>>> ObjectReader::Open(objstore::ObjectStore& store,
                                                                 objstore::ObjectName object,
                                                                 std::uint64_t offset) {
  auto reader = std::make_unique<ObjectReader>(store, object, offset);
  CO_ASSIGN_OR_RETURN(const objstore::ObjectInfo info, co_await store.Head(std::move(object)));
  reader->size_bytes_ = info.size_bytes;
  reader->etag_ = info.etag;
  if (offset > info.size_bytes) {
    co_return absl::OutOfRangeError(
        Concat("offset ", offset, " is beyond the end, at ", info.size_bytes));
  }
  co_return reader;
}

Task<absl::Status> ObjectReader::Ask() {
  CO_ASSIGN_OR_RETURN(http::Response response, co_await store_.Get(object_, offset_, etag_));
  body_ = std::move(response.body);
  brought_ = false;
  co_return absl::OkStatus();
}

Task<absl::StatusOr<std::size_t>> ObjectReader::Read(Buffer& into) {
  while (offset_ < size_bytes_) {
    if (body_ == nullptr) CO_RETURN_IF_ERROR(co_await Ask());
    const absl::StatusOr<std::size_t> read = co_await body_->Read(into.free_space());
    if (read.ok() && *read > 0) {
      brought_ = true;
      offset_ += *read;
      into.Grow(*read);
      co_return *read;
    }
    body_.reset();
    if (brought_) continue;
    co_return read.ok() ? absl::UnavailableError("the store's answer is shorter than the object")
                        : read.status();
  }
  co_return 0;
}

}  // namespace fetchd::sink
