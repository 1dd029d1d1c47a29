// Makes keys and signs tokens, as an identity provider does.
#pragma once

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/strings.h"

namespace fetchd::testing {

inline std::string Base64Url(std::string_view bytes) {
  std::string text = Base64Encode(bytes);
  while (text.ends_with('=')) text.pop_back();
  for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}

class SigningKey {
 public:
  static SigningKey Rsa(std::string id, unsigned bits = 2048) {
    return SigningKey(std::move(id), EVP_RSA_gen(bits), 0);
  }
  /// "P-256" or "P-384".
  static SigningKey Ec(std::string id, const std::string& curve = "P-256") {
    return SigningKey(std::move(id), EVP_EC_gen(curve.c_str()), curve == "P-256" ? 32 : 48);
  }

  /// The public key; `more` goes into the object: ",\"use\":\"enc\"".
  std::string Jwk(const std::string& more = "") const {
    const std::string id = id_.empty() ? "" : Concat(R"(,"kid":")", id_, '"');
    if (coordinate_bytes_ == 0) {
      return Concat(R"({"kty":"RSA","n":")", Number(OSSL_PKEY_PARAM_RSA_N), R"(","e":")",
                    Number(OSSL_PKEY_PARAM_RSA_E), '"', id, more, '}');
    }
    return Concat(R"({"kty":"EC","crv":")", coordinate_bytes_ == 32 ? "P-256" : "P-384",
                  R"(","x":")", Number(OSSL_PKEY_PARAM_EC_PUB_X), R"(","y":")",
                  Number(OSSL_PKEY_PARAM_EC_PUB_Y), '"', id, more, '}');
  }

  std::string Sign(const std::string& header, const std::string& claims) const {
    const std::string input = Concat(Base64Url(header), '.', Base64Url(claims));
    return Concat(input, '.', Base64Url(Signature(input)));
  }
  /// With the header that goes with the key.
  std::string Sign(const std::string& claims) const {
    const char* algorithm = coordinate_bytes_ == 0 ? "RS256" : "ES256";
    return Sign(Concat(R"({"alg":")", algorithm, R"(","typ":"JWT","kid":")", id_, "\"}"), claims);
  }

 private:
  struct FreeKey {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  };

  SigningKey(std::string id, EVP_PKEY* key, std::size_t coordinate_bytes)
      : id_(std::move(id)), key_(key), coordinate_bytes_(coordinate_bytes) {
    FETCHD_CHECK(key_ != nullptr);
  }

  std::string Number(const char* name) const {
    BIGNUM* number = nullptr;
    FETCHD_CHECK(EVP_PKEY_get_bn_param(key_.get(), name, &number) == 1);
    std::string bytes(coordinate_bytes_ == 0 ? BN_num_bytes(number) : coordinate_bytes_, '\0');
    BN_bn2binpad(number, reinterpret_cast<unsigned char*>(bytes.data()),
                 static_cast<int>(bytes.size()));
    BN_free(number);
    return Base64Url(bytes);
  }

  std::string Signature(const std::string& input) const {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                          &EVP_MD_CTX_free);
    EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get());
    const auto* data = reinterpret_cast<const unsigned char*>(input.data());
    std::size_t size = 0;
    EVP_DigestSign(context.get(), nullptr, &size, data, input.size());
    std::string signature(size, '\0');
    auto* out = reinterpret_cast<unsigned char*>(signature.data());
    FETCHD_CHECK(EVP_DigestSign(context.get(), out, &size, data, input.size()) == 1);
    signature.resize(size);
    return coordinate_bytes_ == 0 ? signature : Raw(signature);
  }

  /// r and s (RFC 7518 3.4).
  std::string Raw(const std::string& der) const {
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> pair(
        d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())), &ECDSA_SIG_free);
    std::string raw(2 * coordinate_bytes_, '\0');
    auto* out = reinterpret_cast<unsigned char*>(raw.data());
    const int size = static_cast<int>(coordinate_bytes_);
    BN_bn2binpad(ECDSA_SIG_get0_r(pair.get()), out, size);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair.get()), out + size, size);
    return raw;
  }

  std::string id_;
  std::unique_ptr<EVP_PKEY, FreeKey> key_;
  std::size_t coordinate_bytes_;  ///< 0: RSA.
};

}  // namespace fetchd::testing
