// When the process dies: between any two writes.
#pragma once

#include <cstdint>

namespace fetchd::simulation {

/// What both disks of a run ask before they change anything. One thread at a time.
class Power {
 public:
  /// False: the process is dead, and the write does not happen.
  bool AllowsWrite() {
    if (off_) return false;
    ++writes_;
    if (crash_in_ == 0) return true;
    --crash_in_;
    off_ = crash_in_ == 0;
    return !off_;
  }
  /// The n-th write from now on is the first that does not happen.
  void CrashAtWrite(std::uint64_t n) { crash_in_ = n; }
  void Off() { off_ = true; }
  void On() {
    off_ = false;
    crash_in_ = 0;
  }
  bool off() const { return off_; }
  std::uint64_t writes() const { return writes_; }

 private:
  bool off_ = false;
  std::uint64_t crash_in_ = 0;  ///< 0 = never.
  std::uint64_t writes_ = 0;
};

}  // namespace fetchd::simulation
