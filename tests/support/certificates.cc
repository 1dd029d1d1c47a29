#include "support/certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/strings.h"

namespace fetchd::testing {
namespace {

template <auto kFree>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Deleter<&EVP_PKEY_free>>;
using X509Ptr = std::unique_ptr<X509, Deleter<&X509_free>>;
using BioPtr = std::unique_ptr<BIO, Deleter<&BIO_free>>;

KeyPtr NewKey(CertificateSpec::Key kind) {
  KeyPtr key;
  switch (kind) {
    case CertificateSpec::Key::kP256:
      key.reset(EVP_EC_gen("P-256"));
      break;
    case CertificateSpec::Key::kRsa2048:
      key.reset(EVP_RSA_gen(2048));
      break;
    case CertificateSpec::Key::kRsa1024:
      key.reset(EVP_RSA_gen(1024));
      break;
  }
  FETCHD_CHECK(key != nullptr);
  return key;
}

void AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  FETCHD_CHECK(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

/// Not by the text form of OpenSSL, which cannot say a name with a NUL in it.
void AddNames(X509* certificate, const std::vector<std::string>& names) {
  if (names.empty()) return;
  GENERAL_NAMES* list = GENERAL_NAMES_new();
  for (const std::string& name : names) {
    const bool address = name.starts_with("IP:");
    const std::string value = name.substr(name.find(':') + 1);
    GENERAL_NAME* entry = GENERAL_NAME_new();
    if (address) {
      GENERAL_NAME_set0_value(entry, GEN_IPADD, a2i_IPADDRESS(value.c_str()));
    } else {
      ASN1_IA5STRING* text = ASN1_IA5STRING_new();
      ASN1_STRING_set(text, value.data(), static_cast<int>(value.size()));
      GENERAL_NAME_set0_value(entry, GEN_DNS, text);
    }
    sk_GENERAL_NAME_push(list, entry);
  }
  FETCHD_CHECK(X509_add1_ext_i2d(certificate, NID_subject_alt_name, list, 0, 0) == 1);
  GENERAL_NAMES_free(list);
}

void AddUnknownCriticalExtension(X509* certificate) {
  ASN1_OBJECT* id = OBJ_txt2obj("1.3.6.1.4.1.55555.1", 1);
  ASN1_OCTET_STRING* value = ASN1_OCTET_STRING_new();
  ASN1_STRING_set(value, "?", 1);
  X509_EXTENSION* extension = X509_EXTENSION_create_by_OBJ(nullptr, id, 1, value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  ASN1_OCTET_STRING_free(value);
  ASN1_OBJECT_free(id);
}

void AddExtensions(X509* certificate, X509* issuer, const CertificateSpec& spec) {
  const auto add = [&](int nid, const std::string& value) {
    AddExtension(certificate, issuer, nid, value);
  };
  const std::string path_length =
      spec.path_length ? Concat(",pathlen:", *spec.path_length) : std::string();
  add(NID_basic_constraints,
      spec.authority ? Concat("critical,CA:TRUE", path_length) : std::string("CA:FALSE"));
  add(NID_subject_key_identifier, "hash");
  if (issuer != certificate) add(NID_authority_key_identifier, "keyid");
  AddNames(certificate, spec.names);
  if (spec.authority) {
    add(NID_key_usage, spec.authority_key_usage);
  } else {
    add(NID_ext_key_usage, spec.extended_key_usage);
  }
  if (!spec.name_constraints.empty()) add(NID_name_constraints, spec.name_constraints);
  if (spec.unknown_critical_extension) AddUnknownCriticalExtension(certificate);
}

void BreakSignature(X509* certificate) {
  const ASN1_BIT_STRING* signature = nullptr;
  X509_get0_signature(&signature, nullptr, certificate);
  signature->data[signature->length - 1] ^= 1;
}

std::string TakeText(const BioPtr& bio) {
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

void WriteText(const std::filesystem::path& path, const std::string& text) {
  FETCHD_CHECK(std::ofstream(path) << text);
}

}  // namespace

struct Certificate::Parts {
  KeyPtr key;
  X509Ptr certificate;
};

Certificate Certificate::Make(const CertificateSpec& spec, const Certificate* issuer) {
  static std::atomic<long> next_serial = 1;
  auto parts = std::make_shared<Parts>();
  parts->key = NewKey(spec.key);
  parts->certificate.reset(X509_new());
  X509* x509 = parts->certificate.get();
  const Parts& signer = issuer != nullptr ? *issuer->parts_ : *parts;
  X509_set_version(x509, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(x509), next_serial++);
  X509_gmtime_adj(X509_getm_notBefore(x509), spec.valid_from.count());
  X509_gmtime_adj(X509_getm_notAfter(x509), spec.valid_until.count());
  X509_set_pubkey(x509, parts->key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(spec.common_name.c_str()), -1,
                             -1, 0);
  X509_set_issuer_name(x509, X509_get_subject_name(signer.certificate.get()));
  AddExtensions(x509, signer.certificate.get(), spec);
  const EVP_MD* digest = spec.digest == CertificateSpec::Digest::kSha1 ? EVP_sha1() : EVP_sha256();
  FETCHD_CHECK(X509_sign(x509, signer.key.get(), digest) != 0);
  if (spec.wrong_signature) BreakSignature(x509);
  return Certificate(std::move(parts));
}

Certificate Certificate::SelfSigned(const CertificateSpec& spec) { return Make(spec, nullptr); }

Certificate Certificate::Issue(const CertificateSpec& spec) const { return Make(spec, this); }

std::string Certificate::Pem() const {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  FETCHD_CHECK(PEM_write_bio_X509(bio.get(), parts_->certificate.get()) == 1);
  return TakeText(bio);
}

std::string Certificate::KeyPem(const std::string& passphrase) const {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  const bool encrypted = !passphrase.empty();
  FETCHD_CHECK(PEM_write_bio_PrivateKey(
                   bio.get(), parts_->key.get(), encrypted ? EVP_aes_128_cbc() : nullptr,
                   encrypted ? reinterpret_cast<const unsigned char*>(passphrase.data()) : nullptr,
                   static_cast<int>(passphrase.size()), nullptr, nullptr) == 1);
  return TakeText(bio);
}

std::string Certificate::Pin() const {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(parts_->key.get(), &der);
  FETCHD_CHECK(size > 0);
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(der, static_cast<std::size_t>(size), digest);
  OPENSSL_free(der);
  return Base64Encode({reinterpret_cast<const char*>(digest), sizeof digest});
}

CertificateFiles Certificate::Write(const std::filesystem::path& folder, const std::string& stem,
                                    const std::vector<const Certificate*>& chain) const {
  CertificateFiles files{folder / (stem + ".pem"), folder / (stem + ".key")};
  std::string text = Pem();
  for (const Certificate* above : chain) text += above->Pem();
  WriteText(files.certificate, text);
  WriteText(files.key, KeyPem());
  return files;
}

void HideSystemTrustStore() {
  setenv("SSL_CERT_FILE", "/dev/null", 1);
  setenv("SSL_CERT_DIR", "/dev/null", 1);
}

CertificateAuthority::CertificateAuthority(std::filesystem::path folder)
    : folder_(std::move(folder)),
      ca_file_(folder_ / "ca.pem"),
      certificate_(
          Certificate::SelfSigned({.common_name = "fetchd test authority", .authority = true})) {
  WriteText(ca_file_, certificate_.Pem());
}

CertificateFiles CertificateAuthority::Issue(const std::string& file_stem,
                                             const std::vector<std::string>& names,
                                             bool expired) const {
  CertificateSpec spec{.common_name = file_stem, .names = names};
  if (expired) {
    spec.valid_from = -std::chrono::hours(48);
    spec.valid_until = -std::chrono::hours(24);
  }
  return certificate_.Issue(spec).Write(folder_, file_stem);
}

}  // namespace fetchd::testing
