// Ceph's object gateway as a real store that speaks S3: a cluster of one node, child processes on
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

/// Keeps objects in memory, over HTTP and HTTPS (certificate for localhost, 127.0.0.1 and
/// `kHostBucket`.localhost), and changes tokens for keys (STS). Buckets are addressed in the path
/// or before localhost. Takes some seconds to come up: one for all tests of a program.
class Radosgw {
 public:
  static constexpr char kAccessKey[] = "TESTACCESSKEY";
  static constexpr char kSecretKey[] = "testsecretkey1234567890";
  static constexpr char kHostBucket[] = "in-host";

  /// CHECKs that it came up, and ends with the program.
  static Radosgw& Shared();

  const std::filesystem::path& ca_file() const { return authority_.ca_file(); }
  std::string HttpUrl() const;   ///< "http://127.0.0.1:PORT"
  std::string HostUrl() const;   ///< "http://localhost:PORT"
  std::string HttpsUrl() const;  ///< "https://localhost:PORT"

  /// Whoever brings a token for `audience` of that provider ("127.0.0.1:PORT") may be this role,
  /// which may do all. The user of the keys above may make the provider known.
  void MakeRole(const std::string& role, const std::string& provider, const std::string& audience);

 private:
  Radosgw();
  std::string Configuration(const std::string& cluster_id) const;
  void MakeKeys() const;
  void StartMonitor(const std::string& cluster_id);
  void StartStorage();
  void StartGateway();
  /// CHECKs that it ends well; returns what it wrote.
  std::string Run(std::vector<std::string> argv) const;
  void Administrate(const std::vector<std::string>& words) const;
  std::string Path(std::string_view name) const { return (folder_.path() / name).string(); }

  TempFolder folder_;
  CertificateAuthority authority_;
  CertificateFiles identity_;
  std::uint16_t monitor_port_, http_port_, https_port_;
  std::unique_ptr<Process> monitor_, storage_, gateway_;
};

}  // namespace fetchd::testing
