// Certificates made at run time, so that no key is kept in the repository and none expires.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

using EVP_PKEY = struct evp_pkey_st;
using X509 = struct x509_st;

namespace fetchd::testing {

struct CertificateFiles {
  std::filesystem::path certificate;  ///< PEM.
  std::filesystem::path key;          ///< PEM.
};

/// A certificate authority of its own (P-256). Certificates are valid from an hour ago for a day,
/// unless asked otherwise.
class CertificateAuthority {
 public:
  /// Writes ca.pem into `folder`, where the certificates issued go as well.
  explicit CertificateAuthority(std::filesystem::path folder);
  ~CertificateAuthority();
  CertificateAuthority(const CertificateAuthority&) = delete;
  CertificateAuthority& operator=(const CertificateAuthority&) = delete;

  const std::filesystem::path& ca_file() const { return ca_file_; }
  /// A server certificate for `names`, in the form of subjectAltName: "DNS:localhost",
  /// "IP:127.0.0.1".
  CertificateFiles Issue(const std::string& file_stem, const std::vector<std::string>& names,
                         bool expired = false) const;

 private:
  std::filesystem::path folder_;
  std::filesystem::path ca_file_;
  EVP_PKEY* key_ = nullptr;
  X509* certificate_ = nullptr;
};

}  // namespace fetchd::testing
