#include "http/chunked_decoder.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/strings.h"
#include "http/tokens.h"

namespace fetchd::http {
namespace {

using Error = ChunkedDecoder::Error;

constexpr std::size_t kFreeLineBytes = 16;
constexpr std::size_t kMaxSizeDigits = 256;  ///< Leading zeros.
constexpr Error kBadSize = "a chunk size that is no number";

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::unexpected<Error> Fail(Error error) { return std::unexpected(error); }

}  // namespace

std::expected<ChunkedDecoder::Progress, Error> ChunkedDecoder::Decode(std::span<const char> in,
                                                                      std::span<std::byte> out) {
  Progress progress;
  while (progress.consumed < in.size() && state_ != State::kDone) {
    if (state_ != State::kData) {
      const auto stepped = Step(in[progress.consumed]);
      if (!stepped) return std::unexpected(stepped.error());
      ++progress.consumed;
      continue;
    }
    const std::uint64_t room =
        std::min(in.size() - progress.consumed, out.size() - progress.produced);
    const auto bytes = static_cast<std::size_t>(std::min(remaining_, room));
    if (bytes == 0) break;
    std::memcpy(out.data() + progress.produced, in.data() + progress.consumed, bytes);
    progress.consumed += bytes;
    progress.produced += bytes;
    Skip(bytes);
  }
  return progress;
}

void ChunkedDecoder::Skip(std::uint64_t bytes) {
  FETCHD_CHECK(state_ == State::kData && bytes <= remaining_);
  remaining_ -= bytes;
  body_bytes_ += bytes;
  if (remaining_ == 0) state_ = State::kDataCr;
}

std::expected<void, Error> ChunkedDecoder::Step(char c) {
  switch (state_) {
    case State::kDataCr:
      if (c != '\r') return Fail("a chunk that is longer than its size");
      state_ = State::kDataLf;
      return {};
    case State::kDataLf:
      if (c != '\n') return Fail("a chunk without CRLF at its end");
      state_ = State::kSizeStart;
      return {};
    case State::kTrailerStart:
    case State::kTrailerName:
    case State::kTrailerValue:
    case State::kTrailerLf:
    case State::kEndLf:
      return StepTrailer(c);
    default:
      return StepSizeLine(c);
  }
}

std::expected<void, Error> ChunkedDecoder::StepSizeLine(char c) {
  if (state_ == State::kSizeStart) line_bytes_ = extension_bytes_ = 0;
  ++line_bytes_;
  switch (state_) {
    case State::kSizeStart:
    case State::kSize:
      return StepSize(c);
    case State::kSizeLf:
      if (c != '\n') return Fail("a bare CR in a chunk size");
      return EndSizeLine();
    case State::kBeforeExtension:
      if (c == ';') state_ = State::kExtensionStart;
      if (c != ';' && !IsBlank(c)) return Fail(kBadSize);
      break;
    case State::kExtensionStart:
      if (IsTokenChar(c)) state_ = State::kExtension;
      if (!IsTokenChar(c) && !IsBlank(c)) return Fail("a bad chunk extension");
      break;
    default:
      if (c == '\r') state_ = State::kSizeLf;
      if (c != '\r' && !IsTextChar(c)) return Fail("a control byte in a chunk extension");
      break;
  }
  if (++extension_bytes_ > kMaxExtensionBytes) return Fail("a chunk extension that is too long");
  return {};
}

std::expected<void, Error> ChunkedDecoder::StepSize(char c) {
  const int digit = HexValue(c);
  if (digit >= 0) {
    if (line_bytes_ > kMaxSizeDigits) return Fail("a chunk size line that is too long");
    const std::uint64_t before = state_ == State::kSizeStart ? 0 : remaining_;
    if (before >> 60 != 0) return Fail("a chunk size that is too large");
    remaining_ = before * 16 + static_cast<std::uint64_t>(digit);
    state_ = State::kSize;
    return {};
  }
  if (state_ == State::kSizeStart) return Fail(kBadSize);
  if (c == '\r') {
    state_ = State::kSizeLf;
  } else if (c == ';') {
    state_ = State::kExtensionStart;
  } else if (IsBlank(c)) {
    state_ = State::kBeforeExtension;
  } else {
    return Fail(kBadSize);
  }
  return {};
}

std::expected<void, Error> ChunkedDecoder::EndSizeLine() {
  if (line_bytes_ > kFreeLineBytes) overhead_bytes_ += line_bytes_ - kFreeLineBytes;
  if (overhead_bytes_ > kMaxOverheadBytes && overhead_bytes_ - kMaxOverheadBytes > body_bytes_) {
    return Fail("more chunk extensions than data");
  }
  state_ = remaining_ == 0 ? State::kTrailerStart : State::kData;
  return {};
}

std::expected<void, Error> ChunkedDecoder::StepTrailer(char c) {
  if (++trailer_bytes_ > kMaxTrailerBytes) return Fail("trailers that are too large");
  switch (state_) {
    case State::kTrailerStart:
      if (c == '\r') {
        state_ = State::kEndLf;
        return {};
      }
      if (!IsTokenChar(c)) return Fail("a bad trailer");
      state_ = State::kTrailerName;
      trailer_.assign(1, c);
      return {};
    case State::kTrailerName:
      if (c == ':') {
        state_ = State::kTrailerValue;
        trailer_name_size_ = trailer_.size();
        return {};
      }
      if (!IsTokenChar(c)) return Fail("a bad trailer");
      trailer_.push_back(c);
      return {};
    case State::kTrailerValue:
      if (c == '\r') {
        state_ = State::kTrailerLf;
        return {};
      }
      if (!IsTextChar(c)) return Fail("a control byte in a trailer");
      trailer_.push_back(c);
      return {};
    case State::kTrailerLf:
      if (c != '\n') return Fail("a bare CR in a trailer");
      state_ = State::kTrailerStart;
      KeepTrailer();
      return {};
    default:
      if (c != '\n') return Fail("a bare CR after the last chunk");
      state_ = State::kDone;
      return {};
  }
}

void ChunkedDecoder::KeepTrailer() {
  const std::string_view line = trailer_;
  trailers_.Add(line.substr(0, trailer_name_size_),
                TrimWhitespace(line.substr(trailer_name_size_)));
}

}  // namespace fetchd::http
