// br (RFC 7932) over libbrotlidec.
#include <brotli/decode.h>

#include <new>

#include "http/content_decoders.h"

namespace fetchd::http {
namespace {

class BrotliDecoder final : public ContentDecoder {
 public:
  BrotliDecoder() : state_(BrotliDecoderCreateInstance(nullptr, nullptr, nullptr)) {
    if (state_ == nullptr) throw std::bad_alloc();
  }

  std::expected<Progress, Error> Decode(std::span<const std::byte> in,
                                        std::span<std::byte> out) override {
    if (at_boundary()) {
      if (in.empty()) return Progress();
      return std::unexpected("goes on after its end");
    }
    std::size_t in_left = in.size();
    std::size_t out_left = out.size();
    const auto* next_in = reinterpret_cast<const std::uint8_t*>(in.data());
    auto* next_out = reinterpret_cast<std::uint8_t*>(out.data());
    const BrotliDecoderResult result = BrotliDecoderDecompressStream(
        state_.get(), &in_left, &next_in, &out_left, &next_out, nullptr);
    if (result == BROTLI_DECODER_RESULT_ERROR) return std::unexpected("is no valid br");
    if (at_boundary() && in_left > 0) return std::unexpected("goes on after its end");
    return Progress{in.size() - in_left, out.size() - out_left};
  }
  bool at_boundary() const override { return BrotliDecoderIsFinished(state_.get()) != 0; }

 private:
  struct Destroy {
    void operator()(BrotliDecoderState* state) const { BrotliDecoderDestroyInstance(state); }
  };
  std::unique_ptr<BrotliDecoderState, Destroy> state_;
};

}  // namespace

std::unique_ptr<ContentDecoder> MakeBrotliDecoder() { return std::make_unique<BrotliDecoder>(); }

}  // namespace fetchd::http
