// Apache as the real server of Digest authentication: a child process on loopback.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "support/process.h"

namespace fetchd::testing {

/// Serves a folder to who authenticates by Digest as kUser with kPassword; what lies under /next/
/// with a new nonce for every request (Authentication-Info), all else with nonces that last until
/// the server is started again.
class Apache {
 public:
  static constexpr char kUser[] = "digest-user";
  static constexpr char kPassword[] = "digest-password";

  /// CHECKs that it came up.
  Apache();
  /// The same server again, which knows none of its nonces any more.
  void Restart();

  /// Where the files that it serves go.
  const std::filesystem::path& root() const { return root_; }
  std::string Url(std::string_view target) const;
  /// Lines of: method, target, status. Waits until there are `requests` of them: each is written
  /// when its response is gone.
  std::vector<std::string> AccessLog(std::size_t requests) const {
    return ReadLines(folder_.path() / "access.log", requests, std::chrono::seconds(10));
  }

 private:
  std::string Configuration() const;
  void Start();

  TempFolder folder_;
  std::filesystem::path root_;
  std::uint16_t port_;
  std::unique_ptr<Process> process_;
};

}  // namespace fetchd::testing
