// Uploads in parts.
#include <algorithm>
#include <iterator>
#include <utility>

#include "base/strings.h"
#include "base/url_text.h"
#include "objstore/payload.h"
#include "objstore/s3_answers.h"
#include "objstore/s3_store.h"

namespace fetchd::objstore {
namespace {

constexpr int kLastPartNumber = 10'000;
/// A list that is longer is not that of a store that works.
constexpr std::size_t kMostUploads = 1'000'000;

std::string UploadQuery(std::string_view upload) {
  return Concat("uploadId=", PercentEncode(upload, UrlPart::kText));
}

std::uint64_t SizeOfParts(const std::vector<Part>& parts) {
  std::uint64_t size = 0;
  for (const Part& part : parts) size += part.size_bytes;
  return size;
}

std::string UploadsQuery(std::string_view prefix, const UploadsPage::Marker& marker, bool encoded) {
  std::string query = encoded ? "encoding-type=url&" : "";
  if (!marker.key.empty()) {
    query += Concat("key-marker=", PercentEncode(marker.key, UrlPart::kText), '&');
  }
  query += Concat("prefix=", PercentEncode(prefix, UrlPart::kText));
  if (!marker.id.empty()) {
    query += Concat("&upload-id-marker=", PercentEncode(marker.id, UrlPart::kText));
  }
  return query + "&uploads=";
}

absl::Status EndlessList(const StoreContext& context) {
  return absl::DataLossError(Concat(Describe(context), ": a list that does not come to its end"));
}

}  // namespace

Task<absl::StatusOr<std::string>> S3Store::BeginUpload(ObjectName object,
                                                       ObjectAttributes attributes) {
  CO_RETURN_IF_ERROR(CheckKey(object.key));
  StoreOperation begin = Of("CreateMultipartUpload", "POST", object);
  begin.query = "uploads=";
  CO_ASSIGN_OR_RETURN(begin.headers, HeadersOf(attributes));
  if (config_.checksum == Checksum::kCrc32c) {
    begin.headers.push_back({"x-amz-checksum-algorithm", "CRC32C"});
  }
  const std::string what = Describe(requester_.ContextOf(begin));
  const StoreReply reply = co_await SendText(std::move(begin));
  if (!reply.status.ok()) co_return reply.status;
  auto id = ReadBegunUpload(reply.answer.body);
  if (!id.ok()) co_return WithPrefix(id.status(), what);
  co_return id;
}

Task<absl::StatusOr<Part>> S3Store::PutPart(ObjectName object, std::string upload, int number,
                                            http::BorrowedBytes bytes) {
  CO_RETURN_IF_ERROR(CheckKey(object.key));
  if (number < 1 || number > kLastPartNumber) {
    co_return absl::InvalidArgumentError(Concat("parts are numbered from 1 to ", kLastPartNumber));
  }
  StoreOperation put = Of("UploadPart", "PUT", object);
  put.query = Concat("partNumber=", number, '&', UploadQuery(upload));
  const std::string what = Describe(requester_.ContextOf(put));
  const StoreReply reply = co_await SendBytes(std::move(put), bytes);
  if (!reply.status.ok()) co_return reply.status;
  const http::Headers& headers = reply.answer.headers;
  Part part{number, std::string(headers.Get("ETag")), http::SizeOf(bytes),
            std::string(headers.Get("x-amz-checksum-crc32c"))};
  if (part.etag.empty()) co_return absl::DataLossError(Concat(what, ": the answer has no ETag"));
  co_return part;
}

Task<absl::StatusOr<std::vector<Part>>> S3Store::ListParts(ObjectName object, std::string upload) {
  CO_RETURN_IF_ERROR(CheckKey(object.key));
  std::vector<Part> parts;
  for (int marker = 0;;) {
    StoreOperation list = Of("ListParts", "GET", object);
    list.query = UploadQuery(upload);
    if (marker != 0) list.query = Concat("part-number-marker=", marker, '&', list.query);
    const StoreContext context = requester_.ContextOf(list);
    const StoreReply reply = co_await SendText(std::move(list));
    if (!reply.status.ok()) co_return reply.status;
    auto page = ReadParts(reply.answer.body);
    if (!page.ok()) co_return WithPrefix(page.status(), Describe(context));
    std::ranges::move(page->parts, std::back_inserter(parts));
    if (!page->next) break;
    if (*page->next <= marker || parts.size() > kLastPartNumber) co_return EndlessList(context);
    marker = *page->next;
  }
  std::ranges::sort(parts, {}, &Part::number);
  co_return parts;
}

Task<absl::StatusOr<ObjectInfo>> S3Store::CompleteUpload(ObjectName object, std::string upload,
                                                         std::vector<Part> parts, ObjectAttributes,
                                                         Precondition precondition) {
  CO_RETURN_IF_ERROR(CheckKey(object.key));
  CO_RETURN_IF_ERROR(CheckPrecondition("CompleteMultipartUpload", precondition,
                                       config_.features.conditional_complete));
  if (parts.empty()) co_return absl::InvalidArgumentError("an upload has at least one part");
  std::ranges::sort(parts, {}, &Part::number);
  StoreOperation complete = Of("CompleteMultipartUpload", "POST", object);
  complete.query = UploadQuery(upload);
  complete.headers.push_back({"Content-Type", "application/xml"});
  if (precondition == Precondition::kAbsent) complete.headers.push_back({"If-None-Match", "*"});
  complete.slow = true;
  const std::string what = Describe(requester_.ContextOf(complete));
  const std::string body = ComposeCompletion(parts);
  const StoreReply reply = co_await SendText(std::move(complete), body);
  if (absl::IsNotFound(reply.status)) {
    co_return co_await WhatWasCompleted(std::move(object), std::move(parts), reply.status);
  }
  if (absl::IsAlreadyExists(reply.status)) {
    co_return co_await AfterRefusal(std::move(object), std::move(upload), std::move(parts),
                                    reply.status);
  }
  if (!reply.status.ok()) co_return reply.status;
  auto completed = ReadCompletedUpload(reply.answer.body);
  if (!completed.ok()) co_return WithPrefix(completed.status(), what);
  // Ceph does not say.
  if (completed->etag.empty()) co_return co_await Head(std::move(object));
  co_return ObjectInfo{SizeOfParts(parts), std::move(completed->etag),
                       std::string(reply.answer.headers.Get("x-amz-version-id")), ""};
}

Task<absl::StatusOr<ObjectInfo>> S3Store::AfterRefusal(ObjectName object, std::string upload,
                                                       std::vector<Part> parts,
                                                       absl::Status refusal) {
  const auto still_there = co_await ListParts(object, std::move(upload));
  if (!absl::IsNotFound(still_there.status())) co_return refusal;
  co_return co_await WhatWasCompleted(std::move(object), std::move(parts), std::move(refusal));
}

Task<absl::StatusOr<ObjectInfo>> S3Store::WhatWasCompleted(ObjectName object,
                                                           std::vector<Part> parts,
                                                           absl::Status otherwise) {
  const auto there = co_await HeadOf(std::move(object));
  if (!there.ok()) co_return absl::IsNotFound(there.status()) ? otherwise : there.status();
  std::vector<std::string> etags;
  for (const Part& part : parts) etags.push_back(part.etag);
  const std::string expected = MultipartEtag(etags);
  const bool comparable = there->md5_etag && !expected.empty() && IsMultipartEtag(there->info.etag);
  const bool ours =
      comparable ? there->info.etag == expected : there->info.size_bytes == SizeOfParts(parts);
  if (!ours) co_return otherwise;
  co_return there->info;
}

Task<absl::StatusOr<std::vector<Upload>>> S3Store::ListUploads(std::string bucket,
                                                               std::string prefix) {
  std::vector<Upload> uploads;
  UploadsPage::Marker marker;
  bool encoded = false;
  while (true) {
    StoreOperation list = Of("ListMultipartUploads", "GET", {bucket, ""});
    list.query = UploadsQuery(prefix, marker, encoded);
    const StoreContext context = requester_.ContextOf(list);
    const StoreReply reply = co_await SendText(std::move(list));
    if (!reply.status.ok()) co_return reply.status;
    auto page = ReadUploads(reply.answer.body, encoded);
    // A key with characters that XML cannot hold: only then, for not all stores know of encodings.
    if (!page.ok() && !std::exchange(encoded, true)) continue;
    if (!page.ok()) co_return WithPrefix(page.status(), Describe(context));
    std::ranges::move(page->uploads, std::back_inserter(uploads));
    if (!page->next) co_return uploads;
    if (*page->next == marker || uploads.size() > kMostUploads) co_return EndlessList(context);
    marker = *std::move(page->next);
  }
}

}  // namespace fetchd::objstore
