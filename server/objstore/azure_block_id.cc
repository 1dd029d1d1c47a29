#include "objstore/azure_block_id.h"

#include <algorithm>
#include <cstdint>
#include <random>

#include "base/check.h"
#include "base/strings.h"

namespace fetchd::objstore {
namespace {

constexpr std::size_t kUploadDigits = 32;
constexpr std::size_t kNumberDigits = 6;
constexpr int kLastBlock = 10'000;

}  // namespace

std::string NewUploadId() {
  std::random_device random;
  std::string bytes;
  while (bytes.size() < kUploadDigits / 2) {
    const std::uint32_t word = random();
    for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(word >> shift);
  }
  return HexEncode(bytes);
}

bool IsUploadId(std::string_view text) {
  return text.size() == kUploadDigits && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::string BlockId(std::string_view upload, int number) {
  FETCHD_CHECK(IsUploadId(upload) && number >= 1 && number <= kLastBlock);
  const std::string digits = Concat(number);
  const std::string zeros(kNumberDigits - digits.size(), '0');
  return Base64Encode(Concat(upload, '-', zeros, digits));
}

std::optional<BlockPlace> ParseBlockId(std::string_view block_id) {
  const std::optional<std::string> text = Base64Decode(block_id);
  if (!text || text->size() != kUploadDigits + 1 + kNumberDigits) return std::nullopt;
  const std::string upload = text->substr(0, kUploadDigits);
  const auto number = ParseDecimal<unsigned>(std::string_view(*text).substr(kUploadDigits + 1));
  const bool good = IsUploadId(upload) && (*text)[kUploadDigits] == '-' && number && *number >= 1 &&
                    *number <= kLastBlock;
  if (!good) return std::nullopt;
  return BlockPlace{upload, static_cast<int>(*number)};
}

}  // namespace fetchd::objstore
