// Real proxies as child processes on loopback.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "support/certificates.h"
#include "support/process.h"

namespace fetchd::testing {

/// The only user and password that these proxies know, where they ask for them.
inline constexpr char kProxyUser[] = "me";
inline constexpr char kProxyPassword[] = "s3cret-of-the-proxy";

/// Squid, over HTTP and over HTTPS (certificate for localhost). It never caches, and refuses
/// whatever has the address 127.0.0.66.
class Squid {
 public:
  /// CHECKs that it came up.
  explicit Squid(bool wants_password = false);
  ~Squid();
  Squid(const Squid&) = delete;
  Squid& operator=(const Squid&) = delete;

  std::uint16_t http_port() const { return http_port_; }
  std::uint16_t https_port() const { return https_port_; }
  const std::filesystem::path& ca_file() const { return authority_.ca_file(); }
  /// A line a request, written when it or its tunnel has ended: client, result, method, target,
  /// user.
  std::string AccessLog() const { return ReadFile(folder_.path() / "access.log"); }

 private:
  std::string Configuration(bool wants_password) const;

  TempFolder folder_;
  CertificateAuthority authority_;
  CertificateFiles identity_;
  std::uint16_t http_port_;
  std::uint16_t https_port_;
  std::string name_;
  std::unique_ptr<Process> process_;
};

/// microsocks: SOCKS5.
class Microsocks {
 public:
  /// CHECKs that it came up.
  explicit Microsocks(bool wants_password = false);

  std::uint16_t port() const { return port_; }
  /// A line a tunnel: client and target.
  std::string Log() const { return process_->Output(); }

 private:
  TempFolder folder_;
  std::uint16_t port_;
  std::unique_ptr<Process> process_;
};

/// Waits until `log()` holds `text`. False when `timeout` passes first.
bool WaitForLog(const std::function<std::string()>& log, const std::string& text,
                std::chrono::milliseconds timeout = std::chrono::seconds(20));

}  // namespace fetchd::testing
