#include "objstore/payload.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <optional>

#include "base/hash.h"
#include "base/strings.h"

namespace fetchd::objstore {
namespace {

constexpr std::size_t kDigestedAtOnce = 256 * 1024;
constexpr std::size_t kMd5Hex = 32;

std::string_view Unquoted(std::string_view etag) {
  if (etag.size() >= 2 && etag.starts_with('"') && etag.ends_with('"')) {
    etag = etag.substr(1, etag.size() - 2);
  }
  return etag;
}

}  // namespace

Task<std::vector<Digest>> DigestsOf(http::BorrowedBytes bytes,
                                    std::vector<DigestAlgorithm> algorithms) {
  Digester digester(std::move(algorithms));
  for (std::span<const std::byte> block : bytes) {
    while (!block.empty()) {
      const auto piece = block.first(std::min(block.size(), kDigestedAtOnce));
      digester.Update(piece);
      block = block.subspan(piece.size());
      co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    }
  }
  co_return digester.Finish();
}

std::string MultipartEtag(const std::vector<std::string>& etags) {
  std::string sums;
  for (const std::string& etag : etags) {
    const std::string_view hex = Unquoted(etag);
    const auto sum = hex.size() == kMd5Hex ? HexDecode(hex) : std::nullopt;
    if (!sum) return {};
    sums += *sum;
  }
  const auto whole = HashHex(HashAlgorithm::kMd5, sums);
  return whole ? Concat('"', *whole, '-', etags.size(), '"') : std::string();
}

bool IsMultipartEtag(std::string_view etag) {
  const std::string_view text = Unquoted(etag);
  return text.size() > kMd5Hex + 1 && text[kMd5Hex] == '-' && HexDecode(text.substr(0, kMd5Hex)) &&
         ParseDecimal(text.substr(kMd5Hex + 1));
}

}  // namespace fetchd::objstore
