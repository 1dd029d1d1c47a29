#include "cli/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string>

namespace fetchd::cli {
namespace {

bool IsSet(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

}  // namespace

Console Console::ForProcess() {
  Console console{.out = std::cout, .err = std::cerr};
  const char* term = std::getenv("TERM");
  const bool dumb = term == nullptr || std::string_view(term) == "dumb";
  console.in_is_terminal = isatty(STDIN_FILENO) == 1;
  console.out_is_terminal = isatty(STDOUT_FILENO) == 1;
  console.err_is_terminal = isatty(STDERR_FILENO) == 1 && !dumb;
  console.color = console.out_is_terminal && !dumb && !IsSet("NO_COLOR");
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
    console.width = size.ws_col;
    console.height = size.ws_row;
  }
  return console;
}

ExitCode Console::Report(const grpc::Status& status) const {
  return Report(ExitCodeOf(status), Explain(status));
}

ExitCode Console::Report(ExitCode code, std::string_view message) const {
  err << "fetchctl: " << message << '\n' << std::flush;
  return code;
}

void Console::Note(std::string_view message) const {
  if (!quiet) err << "fetchctl: " << message << '\n' << std::flush;
}

}  // namespace fetchd::cli
