#include "cli/job_board.h"

#include <google/protobuf/util/time_util.h>

#include <ostream>

#include "base/strings.h"

namespace fetchd::cli {
namespace {

void TakeProgress(const v1::Progress& progress, BarState& bar) {
  bar.note.clear();
  bar.received_bytes = progress.received_bytes();
  bar.total_bytes.reset();
  if (progress.has_total_bytes()) bar.total_bytes = progress.total_bytes();
  bar.rate_bytes_per_sec = progress.rate_bytes_per_sec();
  bar.eta.reset();
  if (progress.has_eta()) {
    bar.eta = std::chrono::milliseconds(
        google::protobuf::util::TimeUtil::DurationToMilliseconds(progress.eta()));
  }
}

}  // namespace

JobBoard::JobBoard(Console& console, OutputFormat format, std::size_t jobs)
    : console_(console),
      draws_(console.err_is_terminal && !console.quiet),
      jobs_(jobs),
      printer_(console, format, JobPrinter::Columns::kEnded, std::chrono::system_clock::now()),
      drawn_at_(std::chrono::steady_clock::now()) {}

JobBoard::~JobBoard() { Erase(); }

bool JobBoard::HasSeenEnd(const std::string& name) const { return ended_names_.contains(name); }

void JobBoard::OnEvent(const v1::WatchJobsResponse& event) {
  if (HasSeenEnd(event.name())) return;
  BarState& bar = live_[event.name()];
  bar.label = event.name();
  bool ended = false;
  switch (event.event_case()) {
    case v1::WatchJobsResponse::kStateChange:
      ended = OnState(bar, event.state_change());
      break;
    case v1::WatchJobsResponse::kProgress:
      TakeProgress(event.progress(), bar);
      break;
    case v1::WatchJobsResponse::kDeleted:
      ended = true;
      Erase();
      exit_codes_.Add(console_.Report(ExitCode::kNotFound, event.name() + " was deleted"));
      break;
    case v1::WatchJobsResponse::EVENT_NOT_SET:
      break;
  }
  if (ended) {
    live_.erase(event.name());
    ended_names_.insert(event.name());
  }
  if (ended && event.has_state_change()) OnEnd(event.state_change().job());
  Draw(ended);
}

bool JobBoard::OnState(BarState& bar, const v1::WatchJobsResponse::StateChange& change) {
  // What counts is the job as it is now: it may have been queued again since it reached that state.
  if (HasEnded(change.job().state())) return true;
  bar.note = change.state() == v1::Job::RUNNING ? "" : v1::Job::State_Name(change.state());
  return false;
}

void JobBoard::OnEnd(const v1::Job& job) {
  Erase();
  if (job.state() == v1::Job::SUCCEEDED) {
    ++succeeded_;
  } else {
    exit_codes_.Add(ExitCodeOfJobError(job.error()));
    console_.Note(Concat(job.name(), " ", v1::Job::State_Name(job.state()), ": ",
                         Explain(ToGrpc(job.error()))));
  }
  printer_.Print(job);
  console_.out << std::flush;
}

std::vector<std::string> JobBoard::Picture() const {
  std::vector<std::string> lines;
  const auto room = static_cast<std::size_t>(std::max(console_.height - 2, 1));
  for (const auto& [name, bar] : live_) {
    if (lines.size() == room) break;
    lines.push_back(RenderBar(bar, console_.width));
  }
  if (jobs_ > 1) {
    const std::size_t ended = ended_names_.size();
    lines.push_back(Concat(ended, " of ", jobs_, " ended, ", ended - succeeded_, " failed"));
  }
  return lines;
}

void JobBoard::Draw(bool now) {
  if (console_.quiet || ended_names_.size() >= jobs_) return;
  if (!draws_) return WriteLine();
  const auto time = std::chrono::steady_clock::now();
  if (!now && drawn_lines_ > 0 && time - drawn_at_ < kRedrawInterval) return;
  Erase();
  const std::vector<std::string> lines = Picture();
  for (const std::string& line : lines) console_.err << line << '\n';
  console_.err << std::flush;
  drawn_lines_ = lines.size();
  drawn_at_ = time;
}

void JobBoard::WriteLine() {
  const auto time = std::chrono::steady_clock::now();
  if (time - drawn_at_ < console_.line_interval) return;
  drawn_at_ = time;
  const std::size_t ended = ended_names_.size();
  console_.Note(jobs_ == 1 && !live_.empty()
                    ? RenderBar(live_.begin()->second, console_.width)
                    : Concat(ended, " of ", jobs_, " ended, ", ended - succeeded_, " failed"));
}

void JobBoard::Erase() {
  if (drawn_lines_ == 0) return;
  console_.err << "\x1b[" << drawn_lines_ << "A\r\x1b[J" << std::flush;
  drawn_lines_ = 0;
}

}  // namespace fetchd::cli
