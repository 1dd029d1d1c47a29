#include "support/identity_provider.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "base/check.h"
#include "base/strings.h"
#include "support/origin_scripts.h"

namespace fetchd::testing {
namespace {

/// RFC 7515 2.
std::string Base64Url(std::string_view bytes) {
  std::string text = Base64Encode(bytes);
  while (text.ends_with('=')) text.pop_back();
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return text;
}

std::string SignRs256(const std::string& key_pem, std::string_view text) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size())), &BIO_free);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  FETCHD_CHECK(EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1);
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t size = 0;
  FETCHD_CHECK(EVP_DigestSign(context.get(), nullptr, &size, bytes, text.size()) == 1);
  std::string signature(size, '\0');
  auto* out = reinterpret_cast<unsigned char*>(signature.data());
  FETCHD_CHECK(EVP_DigestSign(context.get(), out, &size, bytes, text.size()) == 1);
  return signature;
}

}  // namespace

IdentityProvider::IdentityProvider()
    : certificate_(Certificate::SelfSigned({.key = CertificateSpec::Key::kRsa2048})) {
  const std::string keys = url() + "/keys";
  origin_.Handle("/.well-known/openid-configuration",
                 Serve(Concat(R"({"issuer":")", url(), R"(","jwks_uri":")", keys, "\"}")));
  origin_.Handle("/keys", Serve(Concat(R"({"keys":[{"kid":"1","kty":"RSA","alg":"RS256",)",
                                       R"("use":"sig","x5c":[")", CertificateText(), "\"]}]}")));
}

std::string IdentityProvider::CertificateText() const {
  std::string pem = certificate_.Pem();
  pem = pem.substr(pem.find('\n') + 1);
  pem.resize(pem.find("-----"));
  std::erase(pem, '\n');
  return pem;
}

std::string IdentityProvider::Thumbprint() const {
  const std::string der = *Base64Decode(CertificateText());
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(der.data()), der.size(), digest);
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (const unsigned char byte : digest) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

std::string IdentityProvider::Token(const std::string& audience,
                                    std::chrono::seconds valid_for) const {
  const auto made = std::chrono::duration_cast<std::chrono::seconds>(
      std::chrono::system_clock::now().time_since_epoch() - std::chrono::minutes(1));
  const std::string claims =
      Concat(R"({"iss":")", url(), R"(","aud":")", audience, R"(","sub":"fetchd","iat":)",
             made.count(), R"(,"exp":)", (made + std::chrono::minutes(1) + valid_for).count(), "}");
  const std::string text =
      Concat(Base64Url(R"({"alg":"RS256","typ":"JWT","kid":"1"})"), '.', Base64Url(claims));
  return Concat(text, '.', Base64Url(SignRs256(certificate_.KeyPem(), text)));
}

}  // namespace fetchd::testing
