#include "http/decoding_body.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "base/strings.h"

namespace fetchd::http {

DecodingBody::DecodingBody(std::unique_ptr<Body> encoded, const std::vector<ContentCoding>& codings,
                           DecodeLimits limits, std::string peer, Permit memory)
    : encoded_(std::move(encoded)),
      limits_(limits),
      peer_(std::move(peer)),
      memory_(std::move(memory)) {
  stages_.reserve(codings.size());
  for (auto coding = codings.rbegin(); coding != codings.rend(); ++coding) {
    stages_.emplace_back(*coding);
  }
}

Task<absl::StatusOr<std::size_t>> DecodingBody::Read(std::span<std::byte> out) {
  while (encoded_ != nullptr) {
    absl::StatusOr<std::size_t> pulled = Pull(stages_.size(), out);
    if (pulled.ok() && *pulled > 0) co_return pulled;
    absl::Status status = pulled.status();
    if (status.ok()) status = co_await Refill();
    if (!status.ok()) {
      failed_ = std::move(status);
      Release();
    }
  }
  if (!failed_.ok()) co_return failed_;
  co_return 0;
}

Task<void> DecodingBody::Discard() {
  if (encoded_ != nullptr) co_await encoded_->Discard();
}

std::size_t DecodingBody::Buffered() const {
  if (encoded_ == nullptr) return 0;
  const bool here = std::ranges::any_of(
      stages_, [](const Stage& stage) { return stage.may_hold_more || !stage.input.empty(); });
  return here ? 1 : encoded_->Buffered();
}

absl::StatusOr<std::size_t> DecodingBody::Pull(std::size_t stages, std::span<std::byte> out) {
  Stage& stage = stages_[stages - 1];
  while (true) {
    if (stage.may_hold_more || !stage.input.empty()) {
      const auto progress = stage.decoder->Decode(stage.input, out);
      if (!progress) return Malformed(stage, progress.error());
      if (stages == 1) encoded_bytes_ += progress->consumed;
      stage.input = stage.input.subspan(progress->consumed);
      stage.may_hold_more = progress->produced == out.size();
      stage.produced_bytes += progress->produced;
      RETURN_IF_ERROR(CheckLimits(stage));
      if (progress->produced > 0) return progress->produced;
    }
    if (stages == 1) return 0;
    ASSIGN_OR_RETURN(const std::size_t bytes, Pull(stages - 1, stage.room()));
    if (bytes == 0) return 0;
    stage.input = stage.room().first(bytes);
  }
}

absl::Status DecodingBody::CheckLimits(const Stage& stage) const {
  const std::uint64_t decoded = stage.produced_bytes;
  const bool too_dense =
      decoded > limits_.free_bytes && decoded / limits_.max_ratio > encoded_bytes_;
  if (!too_dense && std::max(decoded, encoded_bytes_) <= limits_.max_bytes) return absl::OkStatus();
  const std::string limit =
      too_dense ? Concat(limits_.max_ratio, " times as many") : Concat(limits_.max_bytes);
  return WithReason(
      absl::ResourceExhaustedError(Concat(encoded_bytes_, " bytes of ", CodingName(stage.coding),
                                          " from ", peer_, " became ", decoded,
                                          " bytes, the limit is ", limit)),
      {"DECODE_LIMIT",
       {{"encoded_bytes", Concat(encoded_bytes_)}, {"decoded_bytes", Concat(decoded)}}});
}

Task<absl::Status> DecodingBody::Refill() {
  Stage& first = stages_.front();
  CO_ASSIGN_OR_RETURN(const std::size_t bytes, co_await encoded_->Read(first.room()));
  first.input = first.room().first(bytes);
  if (bytes == 0) {
    CO_RETURN_IF_ERROR(CheckComplete());
    Release();
    co_return absl::OkStatus();
  }
  // Bytes that were here already may decode to nothing, again and again: others run in between.
  if (encoded_->Buffered() > 0) co_await asio::post(asio::use_awaitable);
  co_return absl::OkStatus();
}

absl::Status DecodingBody::CheckComplete() const {
  for (const Stage& stage : stages_) {
    if (!stage.decoder->at_boundary()) return Malformed(stage, "ends early");
  }
  return absl::OkStatus();
}

absl::Status DecodingBody::Malformed(const Stage& stage, std::string_view what) const {
  return WithReason(absl::DataLossError(
                        Concat(peer_, " sent ", CodingName(stage.coding), " content that ", what)),
                    {"MALFORMED_CONTENT", {}});
}

void DecodingBody::Release() {
  trailers_ = encoded_->Trailers();
  encoded_.reset();
  stages_.clear();
  memory_.Release();
}

}  // namespace fetchd::http
