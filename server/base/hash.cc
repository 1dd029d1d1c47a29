#include "base/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>

#include "base/check.h"
#include "base/strings.h"

namespace fetchd {
namespace {

const EVP_MD* Find(HashAlgorithm algorithm) {
  switch (algorithm) {
    case HashAlgorithm::kMd5:
      return EVP_md5();
    case HashAlgorithm::kSha256:
      return EVP_sha256();
    case HashAlgorithm::kSha512Over256:
      return EVP_sha512_256();
  }
  return nullptr;
}

}  // namespace

std::optional<std::string> HashHex(HashAlgorithm algorithm, std::string_view text) {
  const EVP_MD* const hash = Find(algorithm);
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes;
  unsigned int size = 0;
  if (hash == nullptr ||
      EVP_Digest(text.data(), text.size(), bytes.data(), &size, hash, nullptr) != 1) {
    return std::nullopt;
  }
  return HexEncode({reinterpret_cast<const char*>(bytes.data()), size});
}

std::string HmacSha256(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes;
  unsigned int size = 0;
  FETCHD_CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                    reinterpret_cast<const unsigned char*>(text.data()), text.size(), bytes.data(),
                    &size) != nullptr);
  return {reinterpret_cast<const char*>(bytes.data()), size};
}

bool EqualInConstantTime(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace fetchd
