// Uploads in parts, made of blocks.
#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "base/url_text.h"
#include "objstore/azure_block_id.h"
#include "objstore/azure_store.h"

namespace fetchd::objstore {
namespace {

constexpr int kLastBlockNumber = 10'000;  // Of ours: the service takes five times as many.
constexpr std::uint64_t kMostBlockBytes = std::uint64_t{4000} << 20;

absl::Status CheckUpload(std::string_view upload) {
  if (IsUploadId(upload)) return absl::OkStatus();
  return absl::InvalidArgumentError("no upload of this store has such an id");
}

absl::Status CheckPart(std::string_view upload, int number, std::uint64_t size_bytes) {
  RETURN_IF_ERROR(CheckUpload(upload));
  if (number < 1 || number > kLastBlockNumber) {
    return absl::InvalidArgumentError(Concat("parts are numbered from 1 to ", kLastBlockNumber));
  }
  if (size_bytes == 0 || size_bytes > kMostBlockBytes) {
    return absl::InvalidArgumentError("a block has 1 byte to 4000 MiB");
  }
  return absl::OkStatus();
}

/// The blocks of `parts`, in their order. INVALID_ARGUMENT: none, or one that cannot be.
absl::StatusOr<std::vector<Block>> BlocksFor(const std::string& upload, std::vector<Part> parts) {
  if (parts.empty()) return absl::InvalidArgumentError("an upload has at least one part");
  std::ranges::sort(parts, {}, &Part::number);
  std::vector<Block> blocks;
  for (const Part& part : parts) {
    RETURN_IF_ERROR(CheckPart(upload, part.number, part.size_bytes));
    blocks.push_back({BlockId(upload, part.number), part.size_bytes});
  }
  return blocks;
}

std::string BlockListOf(const std::vector<Block>& blocks) {
  std::vector<std::string> ids;
  for (const Block& block : blocks) ids.push_back(block.id);
  return ComposeBlockList(ids);
}

absl::Status NoContainer(const absl::Status& status) {
  return WithReason(absl::FailedPreconditionError(MessageOf(status)),
                    GetReason(status).value_or(Reason()));
}

/// The part that `block` is in `upload`, if it is one.
std::optional<Part> PartIn(const std::string& upload, const Block& block) {
  const std::optional<BlockPlace> place = ParseBlockId(block.id);
  if (!place || place->upload != upload) return std::nullopt;
  return Part{place->number, block.id, block.size_bytes, ""};
}

}  // namespace

Task<absl::StatusOr<std::string>> AzureStore::BeginUpload(ObjectName object,
                                                          ObjectAttributes attributes) {
  CO_RETURN_IF_ERROR(AzureUrlFor(config_, object.bucket, object.key, "").status());
  CO_RETURN_IF_ERROR(AzureHeadersOf(attributes).status());
  co_return NewUploadId();
}

Task<absl::StatusOr<Part>> AzureStore::PutPart(ObjectName object, std::string upload, int number,
                                               http::BorrowedBytes bytes) {
  const std::uint64_t size = http::SizeOf(bytes);
  CO_RETURN_IF_ERROR(CheckPart(upload, number, size));
  StoreOperation put = Of("Put Block", "PUT", object);
  const std::string id = BlockId(upload, number);
  put.query = Concat("blockid=", PercentEncode(id, UrlPart::kText), "&comp=block");
  const StoreReply reply = co_await SendBytes(std::move(put), std::move(bytes));
  if (absl::IsNotFound(reply.status)) co_return NoContainer(reply.status);
  if (!reply.status.ok()) co_return reply.status;
  co_return Part{number, id, size, ""};
}

Task<absl::StatusOr<BlockLists>> AzureStore::BlocksOf(ObjectName object) {
  StoreOperation list = Of("Get Block List", "GET", object);
  list.query = "blocklisttype=all&comp=blocklist";
  list.most_answer_bytes = kMostBlockListBytes;
  const std::string what = Describe(requester_.ContextOf(list));
  const StoreReply reply = co_await requester_.Send(std::move(list));
  // A blob without a block is none.
  if (reply.failure.code == "BlobNotFound") co_return BlockLists();
  if (!reply.status.ok()) co_return reply.status;
  auto lists = ReadBlockLists(reply.answer.body);
  if (!lists.ok()) co_return WithPrefix(lists.status(), what);
  co_return lists;
}

// Another's blob in its place is no sign of a completion: who looks for one must not take it for
// its own.
Task<absl::StatusOr<std::vector<Part>>> AzureStore::ListParts(ObjectName object,
                                                              std::string upload) {
  CO_RETURN_IF_ERROR(CheckUpload(upload));
  const std::string what = Describe(requester_.ContextOf(Of("Get Block List", "GET", object)));
  CO_ASSIGN_OR_RETURN(const BlockLists lists, co_await BlocksOf(std::move(object)));
  for (const Block& block : lists.committed) {
    if (!PartIn(upload, block)) continue;
    co_return absl::NotFoundError(Concat(what, ": the upload was completed"));
  }
  std::vector<Part> parts;
  for (const Block& block : lists.uncommitted) {
    if (std::optional<Part> part = PartIn(upload, block)) parts.push_back(*std::move(part));
  }
  std::ranges::sort(parts, {}, &Part::number);
  co_return parts;
}

Task<absl::StatusOr<ObjectInfo>> AzureStore::CompleteUpload(ObjectName object, std::string upload,
                                                            std::vector<Part> parts,
                                                            ObjectAttributes attributes,
                                                            Precondition precondition) {
  CO_ASSIGN_OR_RETURN(std::vector<Block> blocks, BlocksFor(upload, std::move(parts)));
  StoreOperation complete = Of("Put Block List", "PUT", object);
  complete.query = "comp=blocklist";
  CO_ASSIGN_OR_RETURN(complete.headers, AzureHeadersOf(attributes));
  complete.headers.push_back({"Content-Type", "application/xml"});
  if (precondition == Precondition::kAbsent) complete.headers.push_back({"If-None-Match", "*"});
  complete.slow = true;
  const std::string body = BlockListOf(blocks);
  complete.body = {std::as_bytes(std::span(body))};
  const StoreReply reply = co_await requester_.Send(std::move(complete));
  if (absl::IsAlreadyExists(reply.status) || reply.failure.code == "InvalidBlockList") {
    co_return co_await WhatWasCompleted(std::move(object), std::move(blocks), reply.status);
  }
  if (!reply.status.ok()) co_return reply.status;
  std::uint64_t size = 0;
  for (const Block& block : blocks) size += block.size_bytes;
  const http::Headers& headers = reply.answer.headers;
  // A Content-MD5 here would be that of the list.
  co_return ObjectInfo{size, std::string(headers.Get("ETag")),
                       std::string(headers.Get("x-ms-version-id")),
                       std::string(headers.Get("Last-Modified"))};
}

Task<absl::StatusOr<ObjectInfo>> AzureStore::WhatWasCompleted(ObjectName object,
                                                              std::vector<Block> blocks,
                                                              absl::Status otherwise) {
  const auto lists = co_await BlocksOf(object);
  if (!lists.ok()) co_return absl::IsNotFound(lists.status()) ? otherwise : lists.status();
  if (lists->committed != blocks) co_return otherwise;
  co_return co_await Head(std::move(object));
}

Task<absl::Status> AzureStore::AbortUpload(ObjectName, std::string) { co_return absl::OkStatus(); }

Task<absl::StatusOr<std::vector<Upload>>> AzureStore::ListUploads(std::string, std::string) {
  co_return std::vector<Upload>();
}

}  // namespace fetchd::objstore
