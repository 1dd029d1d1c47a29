#include "support/certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <memory>
#include <utility>

#include "base/check.h"

namespace fetchd::testing {
namespace {

constexpr long kHour = 3600;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

File OpenForWrite(const std::filesystem::path& path) {
  File file(std::fopen(path.c_str(), "w"));
  FETCHD_CHECK(file != nullptr);
  return file;
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

X509* NewCertificate(EVP_PKEY* key, const std::string& common_name, long serial, bool expired) {
  X509* certificate = X509_new();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), expired ? -48 * kHour : -kHour);
  X509_gmtime_adj(X509_getm_notAfter(certificate), expired ? -24 * kHour : 24 * kHour);
  X509_set_pubkey(certificate, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1,
                             0);
  return certificate;
}

void WriteCertificate(const std::filesystem::path& path, X509* certificate) {
  FETCHD_CHECK(PEM_write_X509(OpenForWrite(path).get(), certificate) == 1);
}

std::string Join(const std::vector<std::string>& names) {
  std::string joined;
  for (const std::string& name : names) {
    if (!joined.empty()) joined += ',';
    joined += name;
  }
  return joined;
}

}  // namespace

CertificateAuthority::CertificateAuthority(std::filesystem::path folder)
    : folder_(std::move(folder)), ca_file_(folder_ / "ca.pem") {
  key_ = EVP_EC_gen("P-256");
  FETCHD_CHECK(key_ != nullptr);
  certificate_ = NewCertificate(key_, "fetchd test authority", 1, false);
  X509_set_issuer_name(certificate_, X509_get_subject_name(certificate_));
  AddExtension(certificate_, certificate_, NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(certificate_, certificate_, NID_key_usage, "critical,keyCertSign,cRLSign");
  AddExtension(certificate_, certificate_, NID_subject_key_identifier, "hash");
  FETCHD_CHECK(X509_sign(certificate_, key_, EVP_sha256()) != 0);
  WriteCertificate(ca_file_, certificate_);
}

CertificateAuthority::~CertificateAuthority() {
  X509_free(certificate_);
  EVP_PKEY_free(key_);
}

CertificateFiles CertificateAuthority::Issue(const std::string& file_stem,
                                             const std::vector<std::string>& names,
                                             bool expired) const {
  CertificateFiles files{folder_ / (file_stem + ".pem"), folder_ / (file_stem + ".key")};
  EVP_PKEY* key = EVP_EC_gen("P-256");
  FETCHD_CHECK(key != nullptr);
  X509* certificate = NewCertificate(key, file_stem, 2, expired);
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate_));
  AddExtension(certificate, certificate_, NID_subject_alt_name, Join(names));
  AddExtension(certificate, certificate_, NID_ext_key_usage, "serverAuth");
  AddExtension(certificate, certificate_, NID_authority_key_identifier, "keyid");
  FETCHD_CHECK(X509_sign(certificate, key_, EVP_sha256()) != 0);
  WriteCertificate(files.certificate, certificate);
  FETCHD_CHECK(PEM_write_PrivateKey(OpenForWrite(files.key).get(), key, nullptr, nullptr, 0,
                                    nullptr, nullptr) == 1);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return files;
}

}  // namespace fetchd::testing
