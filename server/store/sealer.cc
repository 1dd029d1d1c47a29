#include "store/sealer.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <memory>
#include <utility>

#include "base/check.h"
#include "base/strings.h"

namespace fetchd::store {
namespace {

constexpr std::size_t kNonceBytes =
    12;  // 96 bits, random: safe for some 2^32 rows a key (NIST SP 800-38D 8.3).
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kKeyIdBytes = 8;

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* Bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

std::string HmacSha256(std::string_view key, std::string_view content) {
  std::string mac(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  const unsigned char* done = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                                   Bytes(content), content.size(), Bytes(mac), &size);
  FETCHD_CHECK(done != nullptr);
  mac.resize(size);
  return mac;
}

absl::Status CannotOpen() {
  return absl::DataLossError(
      "a job's sealed credentials cannot be opened: the row was changed, or sealed with another "
      "key");
}

}  // namespace

Sealer::Sealer(std::string_view key)
    : sealing_key_(Secret(HmacSha256(key, "fetchd seal"))),
      fingerprint_key_(Secret(HmacSha256(key, "fetchd fingerprint"))),
      key_id_(HexEncode(HmacSha256(key, "fetchd key id").substr(0, kKeyIdBytes))) {
  FETCHD_CHECK(key.size() == kKeyBytes);
}

absl::StatusOr<std::string> Sealer::Seal(std::string_view plaintext,
                                         std::string_view context) const {
  std::string sealed(kNonceBytes + plaintext.size() + kTagBytes, '\0');
  unsigned char* const nonce = Bytes(sealed);
  unsigned char* const text = nonce + kNonceBytes;
  unsigned char* const tag = text + plaintext.size();
  const Cipher cipher(EVP_CIPHER_CTX_new());
  int size = 0;
  const bool done = cipher != nullptr && RAND_bytes(nonce, kNonceBytes) == 1 &&
                    EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr,
                                       Bytes(sealing_key_.Reveal()), nonce) == 1 &&
                    EVP_EncryptUpdate(cipher.get(), nullptr, &size, Bytes(context),
                                      static_cast<int>(context.size())) == 1 &&
                    EVP_EncryptUpdate(cipher.get(), text, &size, Bytes(plaintext),
                                      static_cast<int>(plaintext.size())) == 1 &&
                    EVP_EncryptFinal_ex(cipher.get(), text + size, &size) == 1 &&
                    EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, tag) == 1;
  if (!done) return absl::InternalError("a job's credentials could not be sealed");
  return sealed;
}

absl::StatusOr<std::string> Sealer::Open(std::string_view sealed, std::string_view context) const {
  if (sealed.size() < kNonceBytes + kTagBytes) return CannotOpen();
  const std::string_view nonce = sealed.substr(0, kNonceBytes);
  const std::string_view text = sealed.substr(kNonceBytes, sealed.size() - kNonceBytes - kTagBytes);
  std::string tag(sealed.substr(sealed.size() - kTagBytes));
  std::string plaintext(text.size(), '\0');
  const Cipher cipher(EVP_CIPHER_CTX_new());
  int size = 0;
  const bool done =
      cipher != nullptr &&
      EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, Bytes(sealing_key_.Reveal()),
                         Bytes(nonce)) == 1 &&
      EVP_DecryptUpdate(cipher.get(), nullptr, &size, Bytes(context),
                        static_cast<int>(context.size())) == 1 &&
      EVP_DecryptUpdate(cipher.get(), Bytes(plaintext), &size, Bytes(text),
                        static_cast<int>(text.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(cipher.get(), Bytes(plaintext) + size, &size) == 1;
  if (!done) return CannotOpen();
  return plaintext;
}

std::string Sealer::Fingerprint(std::string_view content) const {
  return HmacSha256(fingerprint_key_.Reveal(), content);
}

absl::StatusOr<Secret> NewKey() {
  std::string key(Sealer::kKeyBytes, '\0');
  if (RAND_bytes(Bytes(key), static_cast<int>(key.size())) != 1) {
    return absl::InternalError("no random bytes for a new key");
  }
  return Secret(std::move(key));
}

}  // namespace fetchd::store
