// Where a command's words go: its output, its errors, and what the terminal can do.
#pragma once

#include <chrono>
#include <iosfwd>
#include <string_view>

#include "cli/errors.h"

namespace fetchd::cli {

/// Between two redraws of progress on a terminal.
inline constexpr std::chrono::milliseconds kRedrawInterval{100};

/// Bound to the process's streams by ForProcess(), to strings in tests. Not thread-safe.
struct Console {
  std::ostream& out;
  std::ostream& err;
  int body_fd = 1;  ///< Bodies are written here, unbuffered; flush `out` before.
  bool in_is_terminal = false;
  bool out_is_terminal = false;
  bool err_is_terminal = false;  ///< False also when TERM=dumb: no cursor movement.
  bool color = false;            ///< A terminal, and NO_COLOR is not set (no-color.org).
  bool quiet = false;            ///< -q: no progress, no summaries.
  int width = 80;
  int height = 24;
  /// Between two lines of progress, where stderr is no terminal.
  std::chrono::milliseconds line_interval = std::chrono::seconds(5);

  static Console ForProcess();

  /// "fetchctl: <message>" on stderr, with details; answers the exit code that it means.
  ExitCode Report(const grpc::Status& status) const;
  ExitCode Report(ExitCode code, std::string_view message) const;
  /// "fetchctl: <message>" for what is no error; silent with -q.
  void Note(std::string_view message) const;
};

}  // namespace fetchd::cli
