// Child processes, temporary folders and free ports for tests.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace fetchd::testing {

/// A folder of its own under the system's temporary folder, removed with all that is in it.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// A loopback TCP port that nobody listened on a moment ago. For programs that cannot be given port
/// 0.
std::uint16_t FreePort();

/// Waits until something accepts connections on 127.0.0.1:port. False when `timeout` passes first.
bool WaitForListener(std::uint16_t port, std::chrono::milliseconds timeout);

std::string ReadFile(const std::filesystem::path& path);
/// Waits until the file has `count` lines, and returns what it has. Less when `timeout` passes
/// first.
std::vector<std::string> ReadLines(const std::filesystem::path& path, std::size_t count,
                                   std::chrono::milliseconds timeout);
void WriteFile(const std::filesystem::path& path, const std::string& content);

/// A child process; killed with its owner. Its stdout and stderr go to a file.
class Process {
 public:
  /// argv[0] is looked up in PATH and /usr/sbin. CHECKs that it could be started.
  Process(std::vector<std::string> argv, std::filesystem::path output_file);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void Signal(int signal) const;
  /// The exit code, or 128 + the signal that ended it; nullopt when `timeout` passes first.
  std::optional<int> Wait(std::chrono::milliseconds timeout);
  std::string Output() const { return ReadFile(output_file_); }

 private:
  std::filesystem::path output_file_;
  pid_t pid_ = -1;
  std::optional<int> exit_code_;
};

}  // namespace fetchd::testing
