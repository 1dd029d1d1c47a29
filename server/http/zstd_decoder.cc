// zstd (RFC 8878, RFC 9659) over libzstd.
#include <zstd.h>
#include <zstd_errors.h>

#include <new>

#include "base/check.h"
#include "http/content_decoders.h"

namespace fetchd::http {
namespace {

constexpr int kMaxWindowLog = 23;  // 8 MiB (RFC 9659 3).

class ZstdDecoder final : public ContentDecoder {
 public:
  ZstdDecoder() : context_(ZSTD_createDCtx()) {
    if (context_ == nullptr) throw std::bad_alloc();
    const std::size_t set =
        ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kMaxWindowLog);
    FETCHD_CHECK(ZSTD_isError(set) == 0);
  }

  std::expected<Progress, Error> Decode(std::span<const std::byte> in,
                                        std::span<std::byte> out) override {
    ZSTD_inBuffer input{in.data(), in.size(), 0};
    ZSTD_outBuffer output{out.data(), out.size(), 0};
    while (output.pos < output.size) {
      const Progress before{input.pos, output.pos};
      const std::size_t left = ZSTD_decompressStream(context_.get(), &output, &input);
      if (ZSTD_isError(left) != 0) return std::unexpected(Describe(ZSTD_getErrorCode(left)));
      if (input.pos == before.consumed && output.pos == before.produced) break;
      at_boundary_ = left == 0;
      if (at_boundary_) frame_done_ = true;
      if (at_boundary_ && input.pos == input.size) break;
    }
    return Progress{input.pos, output.pos};
  }
  bool at_boundary() const override { return at_boundary_; }

 private:
  Error Describe(ZSTD_ErrorCode error) const {
    if (error == ZSTD_error_memory_allocation) throw std::bad_alloc();
    if (error == ZSTD_error_frameParameter_windowTooLarge) return "needs a zstd window over 8 MiB";
    return frame_done_ && error == ZSTD_error_prefix_unknown ? "goes on after its end"
                                                             : "is no valid zstd";
  }

  struct Destroy {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  std::unique_ptr<ZSTD_DCtx, Destroy> context_;
  bool at_boundary_ = false;
  bool frame_done_ = false;
};

}  // namespace

std::unique_ptr<ContentDecoder> MakeZstdDecoder() { return std::make_unique<ZstdDecoder>(); }

}  // namespace fetchd::http
