// origins.
#include <ostream>

#include "base/strings.h"
#include "base/url.h"
#include "cli/command_line.h"

namespace fetchd::cli {
namespace {

struct OriginsOptions {
  std::string origin;
  std::optional<std::uint32_t> max_transfers;
  std::optional<double> requests_per_sec;
  std::optional<std::uint64_t> bytes_per_sec;
  bool no_limits = false;
  OutputFormat format = OutputFormat::kTable;

  bool sets() const { return max_transfers || requests_per_sec || bytes_per_sec || no_limits; }
};

/// As the server writes it; what is no origin, as it is.
std::string Canonical(const std::string& origin) {
  const absl::StatusOr<Origin> parsed = Origin::Parse(origin);
  return parsed.ok() ? parsed->ToString() : origin;
}

std::string HoldText(const v1::OriginState& state) {
  if (state.hold() == v1::OriginState::HOLD_NONE) return "-";
  std::string text = v1::OriginState::Hold_Name(state.hold()).substr(sizeof("HOLD_") - 1);
  if (state.has_held_for()) text += Concat(" ", FormatDuration(state.held_for()));
  return text;
}

std::string LimitText(const v1::OriginState& state) {
  std::string text = state.limits().has_max_transfers() ? Concat(state.limits().max_transfers())
                                                        : std::string("-");
  if (state.has_adaptive_limit()) text += Concat(" (bears ", state.adaptive_limit(), ")");
  return text;
}

std::string RateText(const v1::OriginState& state) {
  std::string text;
  if (state.limits().has_requests_per_sec()) {
    text = Concat(state.limits().requests_per_sec(), "/s");
  }
  if (state.limits().has_bytes_per_sec()) {
    text += Concat(text.empty() ? "" : " ", FormatBytes(state.limits().bytes_per_sec()), "/s");
  }
  return text.empty() ? "-" : text;
}

std::string SpeedText(const v1::OriginState& state) {
  return state.has_body_bytes_per_sec() ? Concat(FormatBytes(state.body_bytes_per_sec()), "/s")
                                        : std::string("-");
}

void Print(const std::vector<v1::OriginState>& origins, OutputFormat format, Console& console) {
  Table table(console.out, {{"ORIGIN", 40},
                            {"TRANSFERS", 9},
                            {"LIMIT", 14},
                            {"RATE", 18},
                            {"HOLD", 24},
                            {"PUSHBACKS", 9},
                            {"FAILURES", 8},
                            {"SPEED", 12}});
  for (const v1::OriginState& state : origins) {
    if (format == OutputFormat::kJson) {
      console.out << ToJson(state) << '\n';
    } else if (format == OutputFormat::kName) {
      console.out << state.origin() << '\n';
    } else {
      table.Row({state.origin(), Concat(state.transfers()), LimitText(state), RateText(state),
                 HoldText(state), Concat(state.pushbacks()), Concat(state.failures_in_a_row()),
                 SpeedText(state)});
    }
  }
}

ExitCode SetLimits(const OriginsOptions& options, Session& session) {
  v1::SetOriginLimitsRequest request;
  request.set_origin(options.origin);
  if (options.max_transfers) request.mutable_limits()->set_max_transfers(*options.max_transfers);
  if (options.requests_per_sec) {
    request.mutable_limits()->set_requests_per_sec(*options.requests_per_sec);
  }
  if (options.bytes_per_sec) request.mutable_limits()->set_bytes_per_sec(*options.bytes_per_sec);
  v1::OriginState state;
  auto call = session.connection.Unary(session.interrupt);
  const grpc::Status status =
      session.connection.admin().SetOriginLimits(call.context(), request, &state);
  if (!status.ok()) return session.Report(status);
  Print({state}, options.format, session.console);
  return ExitCode::kDone;
}

ExitCode RunOrigins(const OriginsOptions& options, Session& session) {
  if (options.sets()) return SetLimits(options, session);
  v1::ListOriginsResponse response;
  auto call = session.connection.Unary(session.interrupt);
  const grpc::Status status =
      session.connection.admin().ListOrigins(call.context(), v1::ListOriginsRequest(), &response);
  if (!status.ok()) return session.Report(status);
  std::vector<v1::OriginState> shown;
  for (const v1::OriginState& state : response.origins()) {
    if (options.origin.empty() || state.origin() == Canonical(options.origin)) {
      shown.push_back(state);
    }
  }
  if (shown.empty() && !options.origin.empty()) {
    return session.console.Report(ExitCode::kNotFound,
                                  Concat("nothing is to be said of ", options.origin,
                                         ": no transfer at work, no limit, no hold"));
  }
  Print(shown, options.format, session.console);
  return ExitCode::kDone;
}

}  // namespace

void AddOrigins(CommandLine& line) {
  CLI::App* app = line.Subcommand(
      "origins", "Show how origins are asked and what holds them; set the limits of one",
      "  fetchctl origins\n"
      "  fetchctl origins https://example.org --max-transfers 4 --requests-per-sec 10\n"
      "  fetchctl origins https://example.org --max-transfers 0     pauses it\n"
      "  fetchctl origins https://example.org --no-limits           and lets it go on\n\n"
      "Limits that are set replace all of the origin's, those of the configuration included, "
      "until\n"
      "the server ends.");
  const auto options = std::make_shared<OriginsOptions>();
  CLI::Option* origin =
      app->add_option("ORIGIN", options->origin, "As https://example.org")->type_name("");
  app->add_option("--max-transfers", options->max_transfers, "Jobs at once; 0 pauses the origin")
      ->check(CLI::Range(0, 1'000'000))
      ->type_name("N")
      ->needs(origin);
  app->add_option("--requests-per-sec", options->requests_per_sec, "Transfers begun a second")
      ->check(CLI::Range(0.001, 1e6))
      ->type_name("RATE")
      ->needs(origin);
  AddSize(app, "--bytes-per-sec", options->bytes_per_sec, "Of all bodies together")->needs(origin);
  app->add_flag("--no-limits", options->no_limits, "Take the limits away")
      ->needs(origin)
      ->excludes("--max-transfers")
      ->excludes("--requests-per-sec")
      ->excludes("--bytes-per-sec");
  AddOutput(app, options->format, "table|json|name");
  line.commands.push_back(
      {app, [options](Session& session) { return RunOrigins(*options, session); }, {}});
}

}  // namespace fetchd::cli
