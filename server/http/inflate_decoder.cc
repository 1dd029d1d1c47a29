// gzip (RFC 1952) and deflate (RFC 1950, RFC 1951) over zlib.
#include <zlib.h>

#include <array>
#include <new>

#include "http/content_decoders.h"

namespace fetchd::http {
namespace {

using Error = ContentDecoder::Error;
using Progress = ContentDecoder::Progress;

constexpr int kWindowBits = 15;
constexpr int kGzipFormat = kWindowBits + 16;
constexpr int kZlibFormat = kWindowBits;
constexpr int kRawFormat = -kWindowBits;

constexpr Error kGoesOn = "goes on after its end";

/// zlib's state as RAII.
class Inflater {
 public:
  explicit Inflater(int format) {
    if (inflateInit2(&stream_, format) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  void Restart() {
    inflateReset(&stream_);
    ended_ = false;
  }
  bool ended() const { return ended_; }

  /// Moves on in both; false when the bytes are not of this format.
  bool Run(std::span<const std::byte>& in, std::span<std::byte>& out) {
    // zlib does not write through next_in.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(in.data()));
    stream_.avail_in = static_cast<uInt>(in.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    const int result = inflate(&stream_, Z_NO_FLUSH);
    in = in.last(stream_.avail_in);
    out = out.last(stream_.avail_out);
    if (result == Z_MEM_ERROR) throw std::bad_alloc();
    ended_ = result == Z_STREAM_END;
    // Z_BUF_ERROR: nothing to do without more input or room.
    return result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR;
  }

 private:
  z_stream stream_{};
  bool ended_ = false;
};

class GzipDecoder final : public ContentDecoder {
 public:
  std::expected<Progress, Error> Decode(std::span<const std::byte> in,
                                        std::span<std::byte> out) override {
    const Progress room{in.size(), out.size()};
    while (true) {
      if (inflater_.ended() && !in.empty()) {
        inflater_.Restart();
        ++members_;
      }
      if (!inflater_.ended() && !inflater_.Run(in, out)) {
        return std::unexpected(members_ > 0 ? kGoesOn : "is no valid gzip");
      }
      if (!inflater_.ended() || in.empty()) break;
    }
    return Progress{room.consumed - in.size(), room.produced - out.size()};
  }
  bool at_boundary() const override { return inflater_.ended(); }

 private:
  Inflater inflater_{kGzipFormat};
  std::uint64_t members_ = 0;  ///< Complete ones.
};

/// The first two bytes tell which of the two formats it is.
class DeflateDecoder final : public ContentDecoder {
 public:
  std::expected<Progress, Error> Decode(std::span<const std::byte> in,
                                        std::span<std::byte> out) override {
    const Progress room{in.size(), out.size()};
    while (header_bytes_ < header_.size() && !in.empty()) {
      header_[header_bytes_++] = in.front();
      in = in.subspan(1);
      if (header_bytes_ == header_.size()) inflater_ = std::make_unique<Inflater>(Format());
    }
    if (inflater_ == nullptr) return Progress{room.consumed, 0};
    bool valid = true;
    if (!header_left_.empty()) valid = inflater_->Run(header_left_, out);
    if (valid && header_left_.empty() && !inflater_->ended()) valid = inflater_->Run(in, out);
    if (!valid) return std::unexpected("is no valid deflate");
    if (inflater_->ended() && !(in.empty() && header_left_.empty()))
      return std::unexpected(kGoesOn);
    return Progress{room.consumed - in.size(), room.produced - out.size()};
  }
  bool at_boundary() const override { return inflater_ != nullptr && inflater_->ended(); }

 private:
  /// RFC 1950 2.2: method 8, a window of at most 32 KiB, a multiple of 31.
  int Format() const {
    const unsigned cmf = std::to_integer<unsigned>(header_[0]);
    const unsigned flags = std::to_integer<unsigned>(header_[1]);
    const bool zlib = (cmf & 15) == 8 && cmf >> 4 <= 7 && (cmf * 256 + flags) % 31 == 0;
    return zlib ? kZlibFormat : kRawFormat;
  }

  std::array<std::byte, 2> header_{};
  std::size_t header_bytes_ = 0;
  std::span<const std::byte> header_left_{header_};  ///< Not given to zlib yet.
  std::unique_ptr<Inflater> inflater_;               ///< Null until both have come.
};

}  // namespace

std::unique_ptr<ContentDecoder> MakeGzipDecoder() { return std::make_unique<GzipDecoder>(); }
std::unique_ptr<ContentDecoder> MakeDeflateDecoder() { return std::make_unique<DeflateDecoder>(); }

}  // namespace fetchd::http
