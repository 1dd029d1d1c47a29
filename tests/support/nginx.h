// nginx as the real origin: a child process on loopback.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "support/certificates.h"
#include "support/process.h"

namespace fetchd::testing {

/// Serves a folder over HTTP, over HTTPS (certificate for localhost and 127.0.0.1; HTTP/2 for those
/// who offer it) and over HTTP/2 without TLS. Other ways to the same folder: /slow/ at 64 KiB/s;
/// /gzip/ and /br/ under that coding for those who accept it; /zstd/ and /deflate/ as they are, but
/// called that; /upload/ takes PUT, of up to 8 MiB.
class Nginx {
 public:
  /// CHECKs that it came up.
  Nginx();

  /// Ends it, and with it its connections.
  void Stop();

  /// Where the files that it serves go.
  const std::filesystem::path& root() const { return root_; }
  const std::filesystem::path& ca_file() const { return authority_.ca_file(); }
  std::string HttpUrl(std::string_view target) const;
  std::string HttpsUrl(std::string_view target) const;
  std::string H2cUrl(std::string_view target) const;
  std::uint16_t http_port() const { return http_port_; }
  std::uint16_t https_port() const { return https_port_; }
  /// Lines of: method, target, status, Range of the request, connection number, "r" when the TLS
  /// session was resumed or ".", protocol.
  std::string AccessLog() const { return ReadFile(folder_.path() / "access.log"); }

 private:
  bool Start();  ///< On ports that nobody has now.
  std::string Configuration() const;

  TempFolder folder_;
  std::filesystem::path root_;
  CertificateAuthority authority_;
  CertificateFiles identity_;
  std::uint16_t http_port_ = 0;
  std::uint16_t https_port_ = 0;
  std::uint16_t h2c_port_ = 0;
  std::unique_ptr<Process> process_;
};

}  // namespace fetchd::testing
