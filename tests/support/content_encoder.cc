#include "support/content_encoder.h"

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

#include "base/check.h"

namespace fetchd::testing {
namespace {

constexpr int kZlibFormat = 15;
constexpr int kGzipFormat = kZlibFormat + 16;
constexpr int kRawFormat = -kZlibFormat;

std::string Deflate(std::string_view body, int format) {
  z_stream stream{};
  FETCHD_CHECK(deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, format, 8,
                            Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, body.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
  stream.avail_in = static_cast<uInt>(body.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  FETCHD_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace

std::string Gzip(std::string_view body) { return Deflate(body, kGzipFormat); }
std::string Zlib(std::string_view body) { return Deflate(body, kZlibFormat); }
std::string RawDeflate(std::string_view body) { return Deflate(body, kRawFormat); }

std::string Brotli(std::string_view body, int window_bits) {
  std::size_t size = BrotliEncoderMaxCompressedSize(body.size()) + 64;
  std::string out(size, '\0');
  FETCHD_CHECK(BrotliEncoderCompress(5, window_bits, BROTLI_MODE_GENERIC, body.size(),
                                     reinterpret_cast<const std::uint8_t*>(body.data()), &size,
                                     reinterpret_cast<std::uint8_t*>(out.data())) == BROTLI_TRUE);
  out.resize(size);
  return out;
}

std::string Zstd(std::string_view body, int window_bits) {
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  // Streamed, so that the frame asks for a window and does not say its size.
  if (window_bits > 0) ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_bits);
  std::string out(ZSTD_compressBound(body.size()) + 64, '\0');
  ZSTD_inBuffer input{body.data(), body.size(), 0};
  ZSTD_outBuffer output{out.data(), out.size(), 0};
  FETCHD_CHECK(ZSTD_isError(ZSTD_compressStream2(context, &output, &input, ZSTD_e_continue)) == 0);
  FETCHD_CHECK(ZSTD_compressStream2(context, &output, &input, ZSTD_e_end) == 0);
  ZSTD_freeCCtx(context);
  out.resize(output.pos);
  return out;
}

}  // namespace fetchd::testing
