// Waiting for jobs at a terminal: what `submit --wait` and `watch JOB...` share.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/connection.h"
#include "cli/print.h"
#include "cli/values.h"

namespace fetchd::cli {

/// Waits until each job has ended, showing progress, and prints each when it ends. kDone when all
/// succeeded; else what the failures have in common; kTimeout, kUnreachable, ... when waiting
/// itself failed. After Ctrl-C the jobs run on and the user is told how to watch them.
ExitCode WaitAndPrint(Session& session, const std::vector<std::string>& names, OutputFormat format,
                      std::optional<Milliseconds> timeout);

/// "watch them with: fetchctl watch ..."; nothing without names.
void NoteHowToWatch(const Console& console, const std::vector<std::string>& names);

}  // namespace fetchd::cli
