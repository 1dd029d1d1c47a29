// Certificates made at run time, so that no key is kept in the repository and none expires.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

using EVP_PKEY = struct evp_pkey_st;
using X509 = struct x509_st;

namespace fetchd::testing {

struct CertificateFiles {
  std::filesystem::path certificate;  ///< PEM; its chain after it, where there is one.
  std::filesystem::path key;          ///< PEM.
};

/// What a certificate says. Everything in order unless said otherwise.
struct CertificateSpec {
  enum class Key { kP256, kRsa2048, kRsa1024 };
  enum class Digest { kSha256, kSha1 };

  std::string common_name = "fetchd test";
  std::vector<std::string> names{};  ///< subjectAltName: "DNS:localhost", "IP:127.0.0.1".
  std::chrono::seconds valid_from = -std::chrono::hours(1);  ///< From now.
  std::chrono::seconds valid_until = std::chrono::hours(24);
  Key key = Key::kP256;
  Digest digest = Digest::kSha256;  ///< Of the signature on it.
  std::string extended_key_usage = "serverAuth,clientAuth";
  bool authority = false;
  std::optional<int> path_length{};  ///< Of an authority.
  std::string name_constraints{};    ///< "permitted;DNS:allowed.test"; empty = none.
  std::string authority_key_usage = "critical,keyCertSign,cRLSign";
  bool unknown_critical_extension = false;
  bool wrong_signature = false;
};

/// A certificate and its key.
class Certificate {
 public:
  static Certificate SelfSigned(const CertificateSpec& spec);
  /// Signed by this one, whether it may or not.
  Certificate Issue(const CertificateSpec& spec) const;

  std::string Pem() const;
  std::string KeyPem(const std::string& passphrase = "") const;  ///< Encrypted with a passphrase.
  std::string Pin() const;                                       ///< As TlsProfile::pins takes it.
  /// "<stem>.pem" and "<stem>.key" in `folder`, with `chain` after the certificate.
  CertificateFiles Write(const std::filesystem::path& folder, const std::string& stem,
                         const std::vector<const Certificate*>& chain = {}) const;

 private:
  struct Parts;
  explicit Certificate(std::shared_ptr<const Parts> parts) : parts_(std::move(parts)) {}
  static Certificate Make(const CertificateSpec& spec, const Certificate* issuer);
  std::shared_ptr<const Parts> parts_;
};

/// From now on OpenSSL finds no system trust store in this process: tests depend on none, and do
/// not wait until some 140 certificates are read for each context.
void HideSystemTrustStore();

/// A certificate authority of its own (P-256), with its files. Certificates are valid from an hour
/// ago for a day, unless asked otherwise.
class CertificateAuthority {
 public:
  /// Writes ca.pem into `folder`, where the certificates issued go as well.
  explicit CertificateAuthority(std::filesystem::path folder);

  const std::filesystem::path& ca_file() const { return ca_file_; }
  const Certificate& certificate() const { return certificate_; }
  /// A server certificate for `names`, in the form of subjectAltName: "DNS:localhost",
  /// "IP:127.0.0.1".
  CertificateFiles Issue(const std::string& file_stem, const std::vector<std::string>& names,
                         bool expired = false) const;

 private:
  std::filesystem::path folder_;
  std::filesystem::path ca_file_;
  Certificate certificate_;
};

}  // namespace fetchd::testing
