#include "objstore/s3_store.h"

#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "base/strings.h"
#include "base/url_text.h"
#include "objstore/get_range.h"
#include "objstore/payload.h"
#include "objstore/source_read.h"

namespace fetchd::objstore {
namespace {

std::string Base64Of(const Digest& digest) { return Base64Encode(digest.bytes); }

constexpr char kSha256OfNothing[] =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

bool IsMissing(const StoreReply& reply) {
  return reply.failure.http_status == 404 && reply.failure.code != "NoSuchBucket";
}

}  // namespace

S3Store::S3Store(S3Config config, StoreClients clients, CredentialsSource& credentials,
                 Cooldown& cooldown, Clock& clock, std::function<double()> uniform)
    : config_(std::move(config)),
      requester_(config_, clients, credentials, cooldown, clock, std::move(uniform)) {
  FETCHD_CHECK(Check(config_).ok());
}

StoreOperation S3Store::Of(const char* name, const char* method, const ObjectName& object) const {
  StoreOperation operation;
  operation.name = name;
  operation.method = method;
  operation.bucket = object.bucket;
  operation.key = object.key;
  return operation;
}

absl::Status S3Store::CheckPrecondition(const char* operation, Precondition precondition,
                                        bool supported) const {
  if (precondition == Precondition::kNone || supported) return absl::OkStatus();
  return absl::UnimplementedError(Concat("store \"", config_.name, "\" is configured as one whose ",
                                         operation, " takes no condition"));
}

Task<StoreReply> S3Store::SendBytes(StoreOperation operation, http::BorrowedBytes bytes) {
  const bool https = !config_.endpoint || config_.endpoint->is_https();
  std::vector<DigestAlgorithm> algorithms;
  const auto wanted = [&](DigestAlgorithm algorithm, bool yes) {
    if (yes) algorithms.push_back(algorithm);
  };
  wanted(DigestAlgorithm::kSha256, !https || config_.payload == PayloadSigning::kSha256);
  wanted(DigestAlgorithm::kMd5, config_.content_md5);
  wanted(DigestAlgorithm::kCrc32c, config_.checksum == Checksum::kCrc32c);
  for (const Digest& digest : co_await DigestsOf(bytes, std::move(algorithms))) {
    switch (digest.algorithm) {
      case DigestAlgorithm::kSha256:
        operation.body_sha256 = digest.ToHex();
        break;
      case DigestAlgorithm::kMd5:
        operation.headers.push_back({"Content-MD5", Base64Of(digest)});
        break;
      default:
        operation.headers.push_back({"x-amz-sdk-checksum-algorithm", "CRC32C"});
        operation.headers.push_back({"x-amz-checksum-crc32c", Base64Of(digest)});
    }
  }
  operation.body = std::move(bytes);
  co_return co_await requester_.Send(std::move(operation));
}

Task<StoreReply> S3Store::SendText(StoreOperation operation, std::string_view body) {
  const auto hash = HashHex(HashAlgorithm::kSha256, body);
  FETCHD_CHECK(hash.has_value());
  operation.body_sha256 = *hash;
  if (!body.empty()) operation.body = {std::as_bytes(std::span(body))};
  co_return co_await requester_.Send(std::move(operation));
}

Task<absl::StatusOr<ObjectInfo>> S3Store::Put(ObjectName object, http::BorrowedBytes bytes,
                                              ObjectAttributes attributes,
                                              Precondition precondition) {
  CO_RETURN_IF_ERROR(CheckKey(object.key));
  CO_RETURN_IF_ERROR(
      CheckPrecondition("PutObject", precondition, config_.features.conditional_put));
  StoreOperation put = Of("PutObject", "PUT", object);
  CO_ASSIGN_OR_RETURN(put.headers, HeadersOf(attributes));
  if (precondition == Precondition::kAbsent) put.headers.push_back({"If-None-Match", "*"});
  const StoreReply reply = co_await SendBytes(std::move(put), bytes);
  if (absl::IsAlreadyExists(reply.status) && reply.repeated) {
    co_return co_await WhatWasPut(std::move(object), std::move(bytes), reply.status);
  }
  if (!reply.status.ok()) co_return reply.status;
  co_return ObjectInfo{http::SizeOf(bytes), std::string(reply.answer.headers.Get("ETag")),
                       std::string(reply.answer.headers.Get("x-amz-version-id")), ""};
}

Task<absl::StatusOr<ObjectInfo>> S3Store::WhatWasPut(ObjectName object, http::BorrowedBytes bytes,
                                                     absl::Status otherwise) {
  const auto there = co_await HeadOf(std::move(object));
  if (!there.ok() || there->info.size_bytes != http::SizeOf(bytes) || !there->md5_etag) {
    co_return otherwise;
  }
  std::vector<DigestAlgorithm> md5 = {DigestAlgorithm::kMd5};
  const std::vector<Digest> digests = co_await DigestsOf(std::move(bytes), std::move(md5));
  if (there->info.etag != Concat('"', digests.front().ToHex(), '"')) co_return otherwise;
  co_return there->info;
}

Task<absl::StatusOr<S3Store::Headed>> S3Store::HeadOf(ObjectName object) {
  CO_RETURN_IF_ERROR(CheckKey(object.key));
  StoreOperation head = Of("HeadObject", "HEAD", object);
  const std::string what = Describe(requester_.ContextOf(head));
  const StoreReply reply = co_await SendText(std::move(head));
  if (!reply.status.ok()) co_return reply.status;
  const http::Headers& headers = reply.answer.headers;
  std::optional<std::uint64_t> size = reply.answer.content_length;
  if (!size) size = ParseDecimal(headers.Get("Content-Length"));
  if (!size) co_return NoLength(what);
  Headed headed;
  headed.info = {*size, std::string(headers.Get("ETag")),
                 std::string(headers.Get("x-amz-version-id")),
                 std::string(headers.Get("Last-Modified"))};
  headed.md5_etag = !headers.Get("x-amz-server-side-encryption").starts_with("aws:");
  co_return headed;
}

Task<absl::StatusOr<ObjectInfo>> S3Store::Head(ObjectName object) {
  auto headed = co_await HeadOf(std::move(object));
  if (!headed.ok()) co_return headed.status();
  co_return std::move(headed->info);
}

Task<absl::StatusOr<http::Response>> S3Store::Get(ObjectName object, std::uint64_t offset,
                                                  std::string if_match) {
  CO_RETURN_IF_ERROR(CheckKey(object.key));
  StoreOperation get = Of("GetObject", "GET", object);
  const std::string what = Describe(requester_.ContextOf(get));
  AskFrom(offset, if_match, get);
  StoreReply reply = co_await SendText(std::move(get));
  co_return CheckedBody(std::move(reply), offset, what);
}

Task<absl::StatusOr<http::Response>> S3Store::Fetch(ObjectName object, http::Request wanted,
                                                    http::Call call) {
  CO_RETURN_IF_ERROR(CheckKey(object.key));
  const bool head = wanted.method == "HEAD";
  StoreOperation read = head ? Of("HeadObject", "HEAD", object) : Of("GetObject", "GET", object);
  read.body_sha256 = kSha256OfNothing;
  co_return co_await FetchAsOrigin(std::move(read), std::move(wanted), [&](StoreOperation attempt) {
    return requester_.Fetch(std::move(attempt), call);
  });
}

Task<absl::Status> S3Store::Delete(ObjectName object) {
  CO_RETURN_IF_ERROR(CheckKey(object.key));
  const StoreReply reply = co_await SendText(Of("DeleteObject", "DELETE", object));
  co_return IsMissing(reply) ? absl::OkStatus() : reply.status;
}

Task<absl::Status> S3Store::AbortUpload(ObjectName object, std::string upload) {
  CO_RETURN_IF_ERROR(CheckKey(object.key));
  StoreOperation abort = Of("AbortMultipartUpload", "DELETE", object);
  abort.query = Concat("uploadId=", PercentEncode(upload, UrlPart::kText));
  const StoreReply reply = co_await SendText(std::move(abort));
  co_return IsMissing(reply) ? absl::OkStatus() : reply.status;
}

}  // namespace fetchd::objstore
