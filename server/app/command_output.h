// Runs a program for what it prints.
#pragma once

#include <string>
#include <vector>

#include "base/secret.h"
#include "base/status.h"
#include "base/time.h"

namespace fetchd::app {

/// All that `command` writes to stdout. Its first element is the program, looked for in PATH when
/// it has no '/'; there is no shell, stdin is empty, the environment is ours. Blocks, at most for
/// `timeout`: then it is killed, with the processes of its group. FAILED_PRECONDITION when it
/// cannot be run, fails, takes too long or prints more than 64 KiB; the message has the beginning
/// of what it wrote to stderr, and nothing of stdout.
absl::StatusOr<Secret> CommandOutput(const std::vector<std::string>& command, Duration timeout,
                                     const Clock& clock);

}  // namespace fetchd::app
