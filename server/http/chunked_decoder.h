// The chunked transfer coding (RFC 9112 7.1), from bytes alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "http/message.h"

namespace fetchd::http {

/// Takes a body apart at any split of its bytes. Sizes are 1*HEXDIG with any number of leading
/// zeros; extensions are checked for control bytes and dropped; trailers are checked and kept apart
/// from the head.
///
/// What is not data costs the receiver time, so it is bounded: a size line and its extensions, the
/// trailers, and in sum what the size lines take beyond 16 bytes each (a server may send chunks of
/// one byte).
class ChunkedDecoder {
 public:
  using Error = std::string_view;  ///< Static lifetime.

  static constexpr std::size_t kMaxExtensionBytes = 256;
  static constexpr std::size_t kMaxTrailerBytes = 8 * 1024;
  static constexpr std::uint64_t kMaxOverheadBytes =
      64 * 1024;  ///< Beyond the size of the body so far.

  struct Progress {
    std::size_t consumed = 0;  ///< Of `in`.
    std::size_t produced = 0;  ///< Into `out`.
  };
  /// Decodes until `in` is used up, data would not fit into `out`, or the body has ended: bytes
  /// after its end are left alone.
  std::expected<Progress, Error> Decode(std::span<const char> in, std::span<std::byte> out);

  bool done() const { return state_ == State::kDone; }
  /// Bytes that follow next and are data for sure: a reader may take up to this many past the
  /// decoder, and then Skip them.
  std::uint64_t data_remaining() const { return state_ == State::kData ? remaining_ : 0; }
  void Skip(std::uint64_t bytes);
  /// Once it is done: the trailers in the order received.
  Headers TakeTrailers() { return std::move(trailers_); }

 private:
  enum class State {
    kSizeStart,
    kSize,
    kBeforeExtension,  ///< Whitespace after the size: only ';' may follow.
    kExtensionStart,   ///< After ';': a name must follow.
    kExtension,
    kSizeLf,
    kData,
    kDataCr,
    kDataLf,
    kTrailerStart,
    kTrailerName,
    kTrailerValue,
    kTrailerLf,
    kEndLf,
    kDone,
  };

  std::expected<void, Error> Step(char c);
  std::expected<void, Error> StepSizeLine(char c);
  std::expected<void, Error> StepSize(char c);
  std::expected<void, Error> StepTrailer(char c);
  void KeepTrailer();
  std::expected<void, Error> EndSizeLine();

  State state_ = State::kSizeStart;
  std::uint64_t remaining_ = 0;  ///< Size being read, then data bytes to come.
  std::uint64_t body_bytes_ = 0;
  std::uint64_t overhead_bytes_ = 0;
  std::size_t line_bytes_ = 0;  ///< Of this size line.
  std::size_t extension_bytes_ = 0;
  std::size_t trailer_bytes_ = 0;
  std::string trailer_;                ///< The line that is being read, without its colon...
  std::size_t trailer_name_size_ = 0;  ///< ... which stood here.
  Headers trailers_;
};

}  // namespace fetchd::http
