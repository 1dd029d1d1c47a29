#include "objstore/azure_store.h"

#include <utility>

#include "base/check.h"
#include "base/strings.h"
#include "objstore/get_range.h"
#include "objstore/payload.h"
#include "objstore/source_read.h"

namespace fetchd::objstore {
namespace {

constexpr std::uint64_t kMostPutBytes = std::uint64_t{5000} << 20;  // Put Blob's limit.

/// Of what a write or HEAD answers.
ObjectInfo InfoOf(std::uint64_t size_bytes, const http::Headers& headers) {
  ObjectInfo info{size_bytes, std::string(headers.Get("ETag")),
                  std::string(headers.Get("x-ms-version-id")),
                  std::string(headers.Get("Last-Modified"))};
  if (const auto md5 = Base64Decode(headers.Get("Content-MD5"))) info.md5 = HexEncode(*md5);
  return info;
}

}  // namespace

AzureStore::AzureStore(AzureConfig config, AzureAccess access, StoreClients clients,
                       Cooldown& cooldown, Clock& clock, std::function<double()> uniform)
    : config_(std::move(config)),
      requester_(config_, std::move(access), clients, cooldown, clock, std::move(uniform)) {
  FETCHD_CHECK(Check(config_).ok());
}

StoreOperation AzureStore::Of(const char* name, const char* method,
                              const ObjectName& object) const {
  StoreOperation operation;
  operation.name = name;
  operation.method = method;
  operation.bucket = object.bucket;
  operation.key = object.key;
  return operation;
}

Task<StoreReply> AzureStore::SendBytes(StoreOperation operation, http::BorrowedBytes bytes) {
  if (config_.content_md5) {
    std::vector<DigestAlgorithm> md5 = {DigestAlgorithm::kMd5};
    const std::vector<Digest> digests = co_await DigestsOf(bytes, std::move(md5));
    operation.headers.push_back({"Content-MD5", Base64Encode(digests.front().bytes)});
  }
  operation.body = std::move(bytes);
  co_return co_await requester_.Send(std::move(operation));
}

Task<absl::StatusOr<ObjectInfo>> AzureStore::Put(ObjectName object, http::BorrowedBytes bytes,
                                                 ObjectAttributes attributes,
                                                 Precondition precondition) {
  if (http::SizeOf(bytes) > kMostPutBytes) {
    co_return absl::InvalidArgumentError("a blob in one request has 5000 MiB at most");
  }
  StoreOperation put = Of("Put Blob", "PUT", object);
  CO_ASSIGN_OR_RETURN(put.headers, AzureHeadersOf(attributes));
  put.headers.push_back({"x-ms-blob-type", "BlockBlob"});
  if (precondition == Precondition::kAbsent) put.headers.push_back({"If-None-Match", "*"});
  const StoreReply reply = co_await SendBytes(std::move(put), bytes);
  if (absl::IsAlreadyExists(reply.status) && reply.repeated) {
    co_return co_await WhatWasPut(std::move(object), std::move(bytes), reply.status);
  }
  if (!reply.status.ok()) co_return reply.status;
  co_return InfoOf(http::SizeOf(bytes), reply.answer.headers);
}

Task<absl::StatusOr<ObjectInfo>> AzureStore::WhatWasPut(ObjectName object,
                                                        http::BorrowedBytes bytes,
                                                        absl::Status otherwise) {
  auto there = co_await Head(std::move(object));
  if (!there.ok() || there->size_bytes != http::SizeOf(bytes)) co_return otherwise;
  std::vector<DigestAlgorithm> md5 = {DigestAlgorithm::kMd5};
  const std::vector<Digest> digests = co_await DigestsOf(std::move(bytes), std::move(md5));
  if (there->md5 != digests.front().ToHex()) co_return otherwise;
  co_return there;
}

Task<absl::StatusOr<ObjectInfo>> AzureStore::Head(ObjectName object) {
  StoreOperation head = Of("Get Blob Properties", "HEAD", object);
  const std::string what = Describe(requester_.ContextOf(head));
  const StoreReply reply = co_await requester_.Send(std::move(head));
  if (!reply.status.ok()) co_return reply.status;
  const std::optional<std::uint64_t> size = reply.answer.content_length;
  if (!size) co_return NoLength(what);
  co_return InfoOf(*size, reply.answer.headers);
}

Task<absl::StatusOr<http::Response>> AzureStore::Get(ObjectName object, std::uint64_t offset,
                                                     std::string if_match) {
  StoreOperation get = Of("Get Blob", "GET", object);
  const std::string what = Describe(requester_.ContextOf(get));
  AskFrom(offset, if_match, get);
  StoreReply reply = co_await requester_.Send(std::move(get));
  co_return CheckedBody(std::move(reply), offset, what);
}

Task<absl::StatusOr<http::Response>> AzureStore::Fetch(ObjectName object, http::Request wanted,
                                                       http::Call call) {
  const bool head = wanted.method == "HEAD";
  StoreOperation read =
      head ? Of("Get Blob Properties", "HEAD", object) : Of("Get Blob", "GET", object);
  co_return co_await FetchAsOrigin(std::move(read), std::move(wanted), [&](StoreOperation attempt) {
    return requester_.Fetch(std::move(attempt), call);
  });
}

Task<absl::Status> AzureStore::Delete(ObjectName object) {
  const StoreReply reply = co_await requester_.Send(Of("Delete Blob", "DELETE", object));
  const bool missing = reply.failure.http_status == 404 && reply.failure.code == "BlobNotFound";
  co_return missing ? absl::OkStatus() : reply.status;
}

}  // namespace fetchd::objstore
