#include "cli/wait.h"

#include "base/strings.h"
#include "cli/job_board.h"
#include "cli/watch.h"

namespace fetchd::cli {
namespace {

/// A command line takes only so many words that people would copy.
constexpr std::size_t kMostNames = 50;
constexpr Milliseconds kBarInterval{250};

std::vector<std::string> Unfinished(const JobBoard& board, const std::vector<std::string>& names) {
  std::vector<std::string> unfinished;
  for (const std::string& name : names) {
    if (!board.HasSeenEnd(name)) unfinished.push_back(name);
  }
  return unfinished;
}

}  // namespace

ExitCode WaitAndPrint(Session& session, const std::vector<std::string>& names, OutputFormat format,
                      std::optional<Milliseconds> timeout) {
  WaitOptions options;
  options.names = names;
  if (!session.console.quiet) {
    options.progress_interval =
        session.console.err_is_terminal ? kBarInterval : session.console.line_interval;
  }
  if (timeout) options.limits.deadline = std::chrono::steady_clock::now() + *timeout;
  grpc::Status status;
  std::vector<std::string> unfinished;
  ExitCode code = ExitCode::kDone;
  {
    JobBoard board(session.console, format, names.size());
    status = WaitForJobs(session, options,
                         [&board](const v1::WatchJobsResponse& event) { board.OnEvent(event); });
    unfinished = Unfinished(board, names);
    code = board.exit_code();
  }
  if (status.ok() && unfinished.empty()) return code;
  NoteHowToWatch(session.console, unfinished);
  if (status.ok()) {
    return session.console.Report(ExitCode::kFetchFailed,
                                  "the service ended the watch before the jobs had ended");
  }
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED && timeout) {
    return session.console.Report(ExitCode::kTimeout,
                                  Concat("gave up waiting after ", FormatDuration(*timeout)));
  }
  return session.Report(status);
}

void NoteHowToWatch(const Console& console, const std::vector<std::string>& names) {
  if (names.empty()) return;
  std::string command = "fetchctl watch";
  for (std::size_t i = 0; i < std::min(names.size(), kMostNames); ++i) {
    command += Concat(" ", Printable(names[i]));
  }
  if (names.size() > kMostNames) {
    command += Concat(" ... (", names.size() - kMostNames, " more; see fetchctl list)");
  }
  // Not a summary: said even with -q.
  console.Report(ExitCode::kDone, Concat(names.size() == 1 ? "the job goes on" : "the jobs go on",
                                         "; watch with:\n  ", command));
}

}  // namespace fetchd::cli
