// Azurite, Microsoft's emulator of Azure Storage, as a real Blob service: a child process on
// loopback.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "support/certificates.h"
#include "support/process.h"

namespace fetchd::testing {

/// Keeps blobs in memory, over HTTP; over HTTPS is another one, with a certificate for localhost.
/// The account is in the path. Takes a few seconds to come up: one for all tests of a program.
class Azurite {
 public:
  static constexpr char kAccount[] = "acct1";
  /// Base64 of "testkey-0123456789abcdef0123456789".
  static constexpr char kAccountKey[] = "dGVzdGtleS0wMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OQ==";

  /// Whether scripts/install-deps has installed it: it is no package of Debian's.
  static bool IsInstalled();
  /// Where that is, or would be.
  static std::filesystem::path Folder();

  /// CHECKs that it came up, and ends with the program.
  static Azurite& Shared();

  const std::filesystem::path& ca_file() const { return authority_.ca_file(); }
  std::string HttpUrl() const;  ///< "http://127.0.0.1:PORT/acct1"
  /// "https://localhost:PORT/acct1". Starts it, the first time.
  std::string HttpsUrl();

 private:
  Azurite();
  /// CHECKs that it came up.
  std::unique_ptr<Process> Start(const std::string& name, std::uint16_t port,
                                 const std::vector<std::string>& more) const;

  TempFolder folder_;
  CertificateAuthority authority_;
  CertificateFiles identity_;
  std::uint16_t http_port_, https_port_;
  std::unique_ptr<Process> http_, https_;
};

}  // namespace fetchd::testing
