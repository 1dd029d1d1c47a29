// What is known about jobs that are being waited for, and its picture on the terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "cli/console.h"
#include "cli/print.h"
#include "cli/progress.h"

namespace fetchd::cli {

/// Takes the events of a watch. Prints each job once, when it ends; in between, on a terminal, one
/// bar a running job as far as the height goes and a line for all of them; elsewhere a line from
/// time to time. Not thread-safe.
class JobBoard {
 public:
  JobBoard(Console& console, OutputFormat format, std::size_t jobs);
  ~JobBoard();  ///< Takes the bars away.
  JobBoard(const JobBoard&) = delete;
  JobBoard& operator=(const JobBoard&) = delete;

  void OnEvent(const v1::WatchJobsResponse& event);

  /// Of the jobs that have ended so far.
  ExitCode exit_code() const { return exit_codes_.Combined(); }
  /// Whether the end of this job was seen.
  bool HasSeenEnd(const std::string& name) const;

 private:
  /// True when the change says that the job has ended.
  bool OnState(BarState& bar, const v1::WatchJobsResponse::StateChange& change);
  void OnEnd(const v1::Job& job);
  void Draw(bool now);
  void WriteLine();
  void Erase();
  std::vector<std::string> Picture() const;

  Console& console_;
  bool draws_;
  std::size_t jobs_;
  JobPrinter printer_;
  ExitCodes exit_codes_;
  std::map<std::string, BarState> live_;
  std::set<std::string> ended_names_;
  std::size_t succeeded_ = 0;
  std::size_t drawn_lines_ = 0;
  std::chrono::steady_clock::time_point drawn_at_;
};

}  // namespace fetchd::cli
