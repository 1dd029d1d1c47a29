// Bodies under a content coding, at once and in pieces.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>

#include "base/check.h"
#include "http/content_coding.h"

namespace {

using fetchd::http::ContentCoding;

constexpr std::size_t kEnough = std::size_t{1} << 20;  // A bomb is cut off elsewhere.

struct Decoded {
  std::string bytes;
  bool failed = false;
  bool complete = false;
};

Decoded Decode(ContentCoding coding, std::string_view text, std::size_t piece, std::size_t room) {
  const auto decoder = fetchd::http::MakeDecoder(coding);
  std::string out(room, '\0');
  Decoded decoded;
  bool full = false;
  while ((full || !text.empty()) && decoded.bytes.size() < kEnough) {
    const std::string_view in = text.substr(0, piece);
    const auto progress =
        decoder->Decode(std::as_bytes(std::span(in)), std::as_writable_bytes(std::span(out)));
    if (!progress) {
      decoded.failed = true;
      return decoded;
    }
    FETCHD_CHECK(progress->consumed <= in.size() && progress->produced <= out.size());
    FETCHD_CHECK(progress->consumed + progress->produced > 0 || full);
    decoded.bytes.append(out, 0, progress->produced);
    text.remove_prefix(progress->consumed);
    full = progress->produced == out.size();
  }
  decoded.complete = decoder->at_boundary();
  return decoded;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  constexpr std::array kCodings = {ContentCoding::kGzip, ContentCoding::kDeflate,
                                   ContentCoding::kBrotli, ContentCoding::kZstd};
  const ContentCoding coding = input.PickValueInArray(kCodings);
  const auto piece = input.ConsumeIntegralInRange<std::size_t>(1, 64);
  const auto room = input.ConsumeIntegralInRange<std::size_t>(1, 4096);
  const std::string text = input.ConsumeRemainingBytesAsString();

  const Decoded whole = Decode(coding, text, text.size() + 1, 65536);
  const Decoded pieces = Decode(coding, text, piece, room);
  const std::size_t common = std::min(whole.bytes.size(), pieces.bytes.size());
  FETCHD_CHECK(whole.bytes.compare(0, common, pieces.bytes, 0, common) == 0);
  if (common >= kEnough) return 0;
  FETCHD_CHECK(whole.failed == pieces.failed);
  FETCHD_CHECK(whole.failed || whole.complete == pieces.complete);
  return 0;
}
