// An ObjectStore in memory that fails where a test says so.
#pragma once

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/strings.h"
#include "objstore/object_store.h"

namespace fetchd::testing {

/// Lives on one shard. ETags are as S3 makes them. Each request suspends once.
class MemoryObjectStore final : public objstore::ObjectStore {
 public:
  struct Object {
    std::string bytes, etag;
    std::string md5 = {};  ///< Beside the ETag, where `etags_are_md5` is false.
    objstore::ObjectAttributes attributes;
  };
  struct OpenUpload {
    objstore::ObjectName object;
    objstore::ObjectAttributes attributes;
    std::map<int, std::string> parts;
    WallTime begun_at{};
  };

  explicit MemoryObjectStore(const Clock& clock) : clock_(clock) {}

  std::map<std::string, Object> objects;      ///< By key; there is one bucket, "bucket".
  std::map<std::string, OpenUpload> uploads;  ///< By id.
  std::vector<std::string> requests;          ///< Names, as they began.
  std::size_t parts_at_once = 0, most_parts_at_once = 0;
  /// Called with each request's name before it does anything: an error is its answer.
  std::function<absl::Status(const std::string& name)> before;
  /// Called when it is done: an error takes the place of its answer.
  std::function<absl::Status(const std::string& name)> after;
  /// Requests of this name are never answered.
  std::string hangs_at;
  /// While it says so, parts wait.
  std::function<bool()> parts_wait;
  objstore::Features features_are;
  /// Else as Azure does it: ETags are numbers, and what came in one request has its MD5 beside.
  bool etags_are_md5 = true;
  /// So many bytes come of an answer, then its connection is lost.
  std::size_t reads_break_after = std::string::npos;

  const objstore::Features& features() const override { return features_are; }

  Task<absl::StatusOr<objstore::ObjectInfo>> Put(objstore::ObjectName object,
                                                 http::BorrowedBytes bytes,
                                                 objstore::ObjectAttributes attributes,
                                                 objstore::Precondition precondition) override {
    CO_RETURN_IF_ERROR(co_await Begin("Put", object));
    CO_RETURN_IF_ERROR(CheckAbsent(object, precondition));
    Object made{.bytes = Join(bytes), .etag = "\"0x8D\"", .attributes = std::move(attributes)};
    const std::string md5 = Md5(made.bytes).ToHex();
    (etags_are_md5 ? made.etag : made.md5) = etags_are_md5 ? Concat('"', md5, '"') : md5;
    objects[object.key] = std::move(made);
    CO_RETURN_IF_ERROR(End("Put"));
    co_return InfoOf(object.key);
  }

  Task<absl::StatusOr<std::string>> BeginUpload(objstore::ObjectName object,
                                                objstore::ObjectAttributes attributes) override {
    CO_RETURN_IF_ERROR(co_await Begin("BeginUpload", object));
    std::string id = Concat("upload-", ++last_upload_);
    uploads[id] = {std::move(object), std::move(attributes), {}, clock_.WallNow()};
    CO_RETURN_IF_ERROR(End("BeginUpload"));
    co_return id;
  }

  Task<absl::StatusOr<objstore::Part>> PutPart(objstore::ObjectName object, std::string upload,
                                               int number, http::BorrowedBytes bytes) override {
    const Counted counted(*this);
    CO_RETURN_IF_ERROR(co_await Begin("PutPart", object));
    while (parts_wait && parts_wait()) co_await asio::post(asio::use_awaitable);
    const auto open = uploads.find(upload);
    if (open == uploads.end()) co_return NoSuch("upload");
    std::string& part = open->second.parts[number];
    part = Join(bytes);
    CO_RETURN_IF_ERROR(End("PutPart"));
    co_return PartOf(number, part);
  }

  Task<absl::StatusOr<std::vector<objstore::Part>>> ListParts(objstore::ObjectName object,
                                                              std::string upload) override {
    CO_RETURN_IF_ERROR(co_await Begin("ListParts", object));
    const auto open = uploads.find(upload);
    if (open == uploads.end()) co_return NoSuch("upload");
    std::vector<objstore::Part> parts;
    for (const auto& [number, bytes] : open->second.parts) parts.push_back(PartOf(number, bytes));
    CO_RETURN_IF_ERROR(End("ListParts"));
    co_return parts;
  }

  Task<absl::StatusOr<objstore::ObjectInfo>> CompleteUpload(
      objstore::ObjectName object, std::string upload, std::vector<objstore::Part> parts,
      objstore::ObjectAttributes, objstore::Precondition precondition) override {
    CO_RETURN_IF_ERROR(co_await Begin("CompleteUpload", object));
    const auto open = uploads.find(upload);
    if (open == uploads.end()) co_return NoSuch("upload");
    CO_RETURN_IF_ERROR(CheckAbsent(object, precondition));
    Object made{.bytes = "", .etag = "", .attributes = open->second.attributes};
    std::string digests;
    for (const objstore::Part& part : parts) {
      const std::string& bytes = open->second.parts[part.number];
      made.bytes += bytes;
      digests += Md5(bytes).bytes;
    }
    made.etag = etags_are_md5 ? Concat('"', Md5(digests).ToHex(), '-', parts.size(), '"')
                              : std::string("\"0x8D\"");
    objects[object.key] = std::move(made);
    uploads.erase(open);
    CO_RETURN_IF_ERROR(End("CompleteUpload"));
    co_return InfoOf(object.key);
  }

  Task<absl::Status> AbortUpload(objstore::ObjectName object, std::string upload) override {
    CO_RETURN_IF_ERROR(co_await Begin("AbortUpload", object));
    uploads.erase(upload);
    co_return End("AbortUpload");
  }

  Task<absl::StatusOr<std::vector<objstore::Upload>>> ListUploads(std::string,
                                                                  std::string prefix) override {
    CO_RETURN_IF_ERROR(co_await Begin("ListUploads", {}));
    std::vector<objstore::Upload> found;
    for (const auto& [id, upload] : uploads) {
      if (upload.object.key.starts_with(prefix)) {
        found.push_back({upload.object.key, id, upload.begun_at});
      }
    }
    CO_RETURN_IF_ERROR(End("ListUploads"));
    co_return found;
  }

  Task<absl::StatusOr<objstore::ObjectInfo>> Head(objstore::ObjectName object) override {
    CO_RETURN_IF_ERROR(co_await Begin("Head", object));
    if (!objects.contains(object.key)) co_return NoSuch("key");
    CO_RETURN_IF_ERROR(End("Head"));
    co_return InfoOf(object.key);
  }

  Task<absl::StatusOr<http::Response>> Get(objstore::ObjectName object, std::uint64_t offset,
                                           std::string if_match) override {
    CO_RETURN_IF_ERROR(co_await Begin("Get", object));
    const auto found = objects.find(object.key);
    if (found == objects.end()) co_return NoSuch("key");
    if (!if_match.empty() && found->second.etag != if_match) co_return NoSuch("version");
    http::Response response{.head = {}, .url = *Url::Parse("http://store.test/")};
    response.body = std::make_unique<Rest>(found->second.bytes.substr(offset), reads_break_after);
    co_return response;
  }
  Task<absl::StatusOr<http::Response>> Fetch(objstore::ObjectName object, http::Request wanted,
                                             http::Call) override {
    CO_RETURN_IF_ERROR(co_await Begin("Fetch", object));
    http::Response response{.head = {}, .url = wanted.url};
    const auto found = objects.find(object.key);
    response.head.status = found == objects.end() ? 404 : 200;
    if (found == objects.end()) {
      response.failure = NoSuch("key");
      response.body = std::make_unique<http::EmptyBody>();
      co_return response;
    }
    const Object& there = found->second;
    std::size_t first = 0;
    for (const http::Header& header : wanted.headers) {
      if (header.name == "Range") first = std::stoul(header.value.substr(sizeof("bytes=") - 1));
    }
    for (const http::Header& header : wanted.headers) {
      if (header.name == "If-Range" && header.value != there.etag) first = 0;
    }
    if (first > 0) {
      response.head.status = 206;
      response.head.headers.Add(
          "Content-Range",
          Concat("bytes ", first, '-', there.bytes.size() - 1, '/', there.bytes.size()));
    }
    response.head.headers.Add("ETag", there.etag);
    response.content_length = there.bytes.size() - first;
    response.body = std::make_unique<Rest>(there.bytes.substr(first), reads_break_after);
    CO_RETURN_IF_ERROR(End("Fetch"));
    co_return response;
  }
  Task<absl::Status> Delete(objstore::ObjectName object) override {
    CO_RETURN_IF_ERROR(co_await Begin("Delete", object));
    objects.erase(object.key);
    co_return End("Delete");
  }

 private:
  class Rest final : public http::Body {
   public:
    Rest(std::string bytes, std::size_t breaks_after)
        : bytes_(std::move(bytes)), left_(breaks_after) {}
    Task<absl::StatusOr<std::size_t>> Read(std::span<std::byte> out) override {
      const std::size_t size = std::min({out.size(), bytes_.size(), left_});
      if (size == 0 && !bytes_.empty()) co_return absl::UnavailableError("connection lost");
      std::memcpy(out.data(), bytes_.data(), size);
      bytes_.erase(0, size);
      left_ -= size;
      co_return size;
    }
    std::size_t Buffered() const override { return 0; }

   private:
    std::string bytes_;
    std::size_t left_;
  };

  struct Counted {
    explicit Counted(MemoryObjectStore& its_store) : store(its_store) {
      store.most_parts_at_once = std::max(store.most_parts_at_once, ++store.parts_at_once);
    }
    ~Counted() { --store.parts_at_once; }
    MemoryObjectStore& store;
  };

  Task<absl::Status> Begin(std::string name, objstore::ObjectName) {
    requests.push_back(name);
    co_await asio::post(asio::use_awaitable);
    if (name == hangs_at) {
      asio::steady_timer never(co_await asio::this_coro::executor,
                               asio::steady_timer::time_point::max());
      co_await never.async_wait(asio::use_awaitable);
    }
    co_return before ? before(name) : absl::OkStatus();
  }
  absl::Status End(const std::string& name) const { return after ? after(name) : absl::OkStatus(); }
  absl::Status CheckAbsent(const objstore::ObjectName& object,
                           objstore::Precondition precondition) const {
    const bool held =
        precondition == objstore::Precondition::kNone || !objects.contains(object.key);
    return held ? absl::OkStatus() : absl::AlreadyExistsError("PreconditionFailed");
  }
  static absl::Status NoSuch(const char* what) {
    return absl::NotFoundError(Concat("there is no such ", what));
  }
  objstore::ObjectInfo InfoOf(const std::string& key) {
    return {objects[key].bytes.size(), objects[key].etag, "", "", objects[key].md5};
  }
  objstore::Part PartOf(int number, const std::string& bytes) const {
    const std::string etag = etags_are_md5 ? Md5(bytes).ToHex() : Concat("block ", number);
    return {number, Concat('"', etag, '"'), bytes.size(), ""};
  }
  static std::string Join(const http::BorrowedBytes& blocks) {
    std::string all;
    for (const auto block : blocks) {
      all.append(reinterpret_cast<const char*>(block.data()), block.size());
    }
    return all;
  }
  static Digest Md5(std::string_view text) {
    Digester digester({DigestAlgorithm::kMd5});
    digester.Update(std::as_bytes(std::span(text)));
    return digester.Finish().front();
  }

  const Clock& clock_;
  int last_upload_ = 0;
};

}  // namespace fetchd::testing
