// A chunked body, decoded at once and in pieces.
#include <fuzzer/FuzzedDataProvider.h>

#include <optional>
#include <string>

#include "base/check.h"
#include "http/chunked_decoder.h"

namespace fetchd::http {
namespace {

struct Decoded {
  bool failed = false;
  bool done = false;
  std::string body;
};

Decoded Decode(const std::string& bytes, std::size_t piece, std::size_t room) {
  ChunkedDecoder decoder;
  Decoded decoded;
  std::string out(room, '\0');
  for (std::size_t at = 0; at < bytes.size() && !decoder.done();) {
    const std::size_t size = std::min(piece, bytes.size() - at);
    const auto progress =
        decoder.Decode(std::span(bytes).subspan(at, size), std::as_writable_bytes(std::span(out)));
    if (!progress) {
      decoded.failed = true;
      return decoded;
    }
    FETCHD_CHECK(progress->consumed <= size && progress->produced <= room);
    FETCHD_CHECK(progress->consumed > 0 || progress->produced > 0);
    decoded.body.append(out, 0, progress->produced);
    at += progress->consumed;
  }
  decoded.done = decoder.done();
  return decoded;
}

}  // namespace
}  // namespace fetchd::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  const auto piece = input.ConsumeIntegralInRange<std::size_t>(1, 64);
  const auto room = input.ConsumeIntegralInRange<std::size_t>(1, 64);
  const std::string bytes = input.ConsumeRemainingBytesAsString();

  const auto whole = fetchd::http::Decode(bytes, bytes.size() + 1, bytes.size() + 1);
  const auto pieces = fetchd::http::Decode(bytes, piece, room);

  FETCHD_CHECK(whole.failed == pieces.failed);
  FETCHD_CHECK(whole.failed || (whole.done == pieces.done && whole.body == pieces.body));
  return 0;
}
