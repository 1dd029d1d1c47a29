// fetchctl: see command_line.h.
#include <malloc.h>

#include <csignal>
#include <cstdlib>
#include <iostream>

#include "cli/command_line.h"

namespace {

/// Streams of 1 MiB chunks: without this glibc gives every chunk's pages back to the kernel and
/// faults them in again, which halves the throughput.
void KeepFreedPages() {
  mallopt(M_MMAP_THRESHOLD, 64 << 20);
  mallopt(M_TRIM_THRESHOLD, 128 << 20);
  mallopt(M_TOP_PAD, 16 << 20);
}

std::optional<std::string> FromEnvironment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

}  // namespace

int main(int argc, char** argv) {
  KeepFreedPages();
  std::ios::sync_with_stdio(false);
  std::signal(SIGPIPE, SIG_IGN);  // A reader that left is a write error.
  fetchd::cli::Interrupt interrupt;
  const fetchd::cli::SignalWatcher signals(interrupt);
  fetchd::cli::Console console = fetchd::cli::Console::ForProcess();
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  return static_cast<int>(fetchd::cli::Run(arguments, console, interrupt, FromEnvironment));
}
