// OpenStack Swift with its S3 protocol: another reading of it than Ceph's, and a stricter checker
// of signatures.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "support/process.h"

namespace fetchd::testing {

/// All of its servers in one child process on loopback. Takes a second or two: one for all tests of
/// a program.
class Swift {
 public:
  static constexpr char kAccessKey[] = "test:tester";
  static constexpr char kSecretKey[] = "testsecretkey1234567890";

  /// False where the temporary folder's file system has no extended attributes, which it needs.
  static bool CanRun();
  /// CHECKs that it came up, and ends with the program.
  static Swift& Shared();

  std::string HttpUrl() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  Swift();

  TempFolder folder_;
  std::uint16_t port_;
  std::unique_ptr<Process> process_;
};

}  // namespace fetchd::testing
