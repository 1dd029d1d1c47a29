// Waiting for a batch at a terminal.
#pragma once

#include <optional>
#include <string>

#include "cli/connection.h"
#include "cli/print.h"
#include "cli/values.h"

namespace fetchd::cli {

/// Waits until the batch has ended, across restarts of the service, with its counters in one line;
/// prints it then. Its exit code; kTimeout, kUnreachable, kNotFound, ... when waiting failed. After
/// Ctrl-C the batch goes on and the user is told how to wait for it again.
ExitCode WaitForBatch(Session& session, const std::string& name, OutputFormat format,
                      std::optional<Milliseconds> timeout);

}  // namespace fetchd::cli
