// A body as it was before its content codings were applied.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/semaphore.h"
#include "http/client.h"
#include "http/content_coding.h"

namespace fetchd::http {

/// Decodes while it is read, and holds the decoders' windows and some 100 KiB, whatever the body
/// does. Errors besides those of the body inside:
///  * DATA_LOSS, reason MALFORMED_CONTENT: not of the coding, cut short, or followed by more bytes;
///  * RESOURCE_EXHAUSTED, reason DECODE_LIMIT with metadata "encoded_bytes" and "decoded_bytes": it
///  grows beyond `limits`.
class DecodingBody final : public Body {
 public:
  /// `codings` in the order in which they were applied, at least one. `peer` names the origin in
  /// messages. `memory` is held until the body has ended.
  DecodingBody(std::unique_ptr<Body> encoded, const std::vector<ContentCoding>& codings,
               DecodeLimits limits, std::string peer, Permit memory);

  Task<absl::StatusOr<std::size_t>> Read(std::span<std::byte> out) override;
  std::size_t Buffered() const override;
  const Headers& Trailers() const override { return trailers_; }
  Task<void> Discard() override;

 private:
  static constexpr std::size_t kBlockBytes = std::size_t{32} << 10;

  /// One coding: bytes go in as the stage before, or the network, brings them.
  struct Stage {
    explicit Stage(ContentCoding of)
        : coding(of),
          decoder(MakeDecoder(of)),
          block(std::make_unique_for_overwrite<std::byte[]>(kBlockBytes)) {}
    std::span<std::byte> room() const { return {block.get(), kBlockBytes}; }

    ContentCoding coding;
    std::unique_ptr<ContentDecoder> decoder;
    std::unique_ptr<std::byte[]> block;  ///< What it is fed from.
    std::span<const std::byte> input;    ///< Of the block, not decoded yet.
    bool may_hold_more = false;          ///< The last output was full.
    std::uint64_t produced_bytes = 0;
  };

  /// Bytes that the first `stages` stages give without asking the network; 0: it must be asked.
  absl::StatusOr<std::size_t> Pull(std::size_t stages, std::span<std::byte> out);
  absl::Status CheckLimits(const Stage& stage) const;
  Task<absl::Status> Refill();
  /// What a clean end of the encoded body means.
  absl::Status CheckComplete() const;
  absl::Status Malformed(const Stage& stage, std::string_view what) const;
  /// Gives back all that is held.
  void Release();

  Headers trailers_;
  std::unique_ptr<Body> encoded_;  ///< Null once it has ended or failed.
  std::vector<Stage> stages_;      ///< The coding applied last comes first.
  const DecodeLimits limits_;
  const std::string peer_;
  Permit memory_;
  std::uint64_t encoded_bytes_ = 0;
  absl::Status failed_;
};

}  // namespace fetchd::http
