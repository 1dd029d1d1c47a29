// top.
#include <ostream>
#include <utility>

#include "cli/command_line.h"
#include "cli/top_feed.h"
#include "cli/top_screen.h"

namespace fetchd::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr Milliseconds kDefaultInterval{1000};
constexpr Milliseconds kLeastInterval{100};
/// How late a sample, or Ctrl-C, may be seen.
constexpr Milliseconds kGlance{100};
/// What was asked for just before the end may take.
constexpr Milliseconds kLastActions{2000};

struct TopOptions {
  std::optional<Milliseconds> interval;
  bool once = false;
};

ExitCode PrintOnce(Session& session) {
  TopSample sample;
  const grpc::Status status = TakeSample(session, sample);
  if (!status.ok()) return session.Report(status);
  TopModel model(session.connection.server());
  model.OnSample(std::move(sample));
  for (const TopLine& line : model.DrawOnce(static_cast<std::size_t>(session.console.width))) {
    const std::size_t end = line.text.find_last_not_of(' ');
    session.console.out << line.text.substr(0, end == std::string::npos ? 0 : end + 1) << '\n';
  }
  return ExitCode::kDone;
}

void TakeNews(TopFeed& feed, TopModel& model) {
  TopFeed::News news = feed.Take();
  if (news.sample) model.OnSample(*std::move(news.sample));
  if (news.error) model.OnFailure(*std::move(news.error), Clock::now());
  for (TopFeed::Result& result : news.results) model.OnResult(std::move(result.text));
}

TopAction OnInput(const TopScreen::Input& input, TopModel& model) {
  if (const TopKey* key = std::get_if<TopKey>(&input)) return model.OnKey(*key);
  if (const char* character = std::get_if<char>(&input)) return model.OnCharacter(*character);
  if (std::holds_alternative<TopScreen::Ended>(input)) return {TopAction::Kind::kQuit, ""};
  return {};
}

/// Until q or the end of the terminal (OK), Ctrl-C (CANCELLED), or an error that stays.
grpc::Status Show(TopScreen& screen, TopFeed& feed, Session& session) {
  TopModel model(session.connection.server());
  while (!session.interrupt.triggered()) {
    TakeNews(feed, model);
    if (const auto error = feed.final_error()) return *error;
    screen.Show(model.Draw(screen.width(), screen.height(), Clock::now()));
    TopAction action = OnInput(screen.Wait(kGlance), model);
    if (action.kind == TopAction::Kind::kQuit) return grpc::Status::OK;
    if (action.kind != TopAction::Kind::kNone) feed.Do(std::move(action));
  }
  return grpc::Status::CANCELLED;
}

ExitCode RunTop(const TopOptions& options, Session& session) {
  if (options.interval && *options.interval < kLeastInterval) {
    return session.console.Report(ExitCode::kUsage, "--interval: at least 100ms");
  }
  UseUtf8();
  if (options.once || !session.console.in_is_terminal || !session.console.out_is_terminal) {
    return PrintOnce(session);
  }
  grpc::Status outcome;
  std::vector<TopFeed::Result> undone;
  {
    TopScreen screen(session.console.color, session.interrupt);
    if (!screen.ok()) {
      return session.console.Report(
          ExitCode::kUsage, "nothing is known of this terminal: set TERM, or say top --once");
    }
    TopFeed feed(session, options.interval.value_or(kDefaultInterval));
    outcome = Show(screen, feed, session);
    undone = feed.Finish(kLastActions);
  }
  ExitCodes codes;
  for (const TopFeed::Result& result : undone) {
    codes.Add(session.console.Report(ExitCodeOf(result.status), result.text));
  }
  return outcome.ok() ? codes.Combined() : session.Report(outcome);
}

}  // namespace

void AddTop(CommandLine& line) {
  CLI::App* app = line.Subcommand(
      "top", "Watch the service: its dials, rates, jobs and origins, on the whole screen",
      "  fetchctl top\n"
      "  fetchctl top --once | head       what it shows now, as text\n\n"
      "Keys: q quits, Tab changes between jobs and origins, j k and arrows move, c cancels a job,\n"
      "p pauses it or lets it go on, s sorts, / filters, ? helps. At the end, what was asked for\n"
      "and is not done yet is done within 2 s, or told. Without a terminal to read from and to\n"
      "write to, it prints what there is once.");
  const auto options = std::make_shared<TopOptions>();
  AddDuration(app, "--interval", options->interval,
              "Between two looks, 100ms or more. Default: 1s");
  app->add_flag("--once", options->once, "Print what there is, and end");
  line.commands.push_back(
      {app, [options](Session& session) { return RunTop(*options, session); }, {}});
}

}  // namespace fetchd::cli
