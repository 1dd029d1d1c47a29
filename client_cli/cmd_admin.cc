// status, health, drain and version.
#include <google/protobuf/util/time_util.h>

#include <ostream>

#include "base/strings.h"
#include "cli/command_line.h"

namespace fetchd::cli {
namespace {

struct DrainOptions {
  std::optional<Milliseconds> grace;
  bool wait = false;
};

using google::protobuf::util::TimeUtil;

constexpr Milliseconds kPollInterval{250};

grpc::Status GetStatus(Session& session, v1::Status& status) {
  auto call = session.connection.Unary(session.interrupt);
  return session.connection.admin().GetStatus(call.context(), v1::GetStatusRequest(), &status);
}

void PrintReplicas(const v1::Status& status, OutputFormat format, std::ostream& out) {
  if (format == OutputFormat::kTable || format == OutputFormat::kWide) {
    Table table(
        out,
        {{"HOST", 32}, {"ID", 16}, {"VERSION", 12}, {"STARTED", 20}, {"RUNNING", 7}, {"LEASE", 0}});
    for (const v1::Status::Replica& replica : status.replicas()) {
      table.Row({replica.host() + (replica.is_self() ? " *" : ""), replica.id(), replica.version(),
                 TimeUtil::ToString(TimeUtil::SecondsToTimestamp(replica.start_time().seconds())),
                 Concat(replica.running_jobs()), LeaseText(replica)});
    }
    return;
  }
  for (const v1::Status::Replica& replica : status.replicas()) {
    out << (format == OutputFormat::kJson ? ToJson(replica) : Printable(replica.host())) << '\n';
  }
}

struct StatusOptions {
  OutputFormat format = OutputFormat::kTable;
  bool fleet = false;
};

ExitCode RunStatus(const StatusOptions& options, Session& session) {
  v1::Status status;
  const grpc::Status answer = GetStatus(session, status);
  if (!answer.ok()) return session.Report(answer);
  if (options.fleet && status.replicas().empty()) {
    session.console.err << "no fleet: the store is this process's own (store.url)\n";
    return ExitCode::kDone;
  }
  if (options.fleet) {
    PrintReplicas(status, options.format, session.console.out);
    return ExitCode::kDone;
  }
  switch (options.format) {
    case OutputFormat::kJson:
      session.console.out << ToJson(status) << '\n';
      break;
    case OutputFormat::kName:
      session.console.out << session.connection.server() << '\n';
      break;
    case OutputFormat::kTable:
    case OutputFormat::kWide:
      session.console.out << DescribeStatus(status, options.format == OutputFormat::kWide);
      break;
  }
  return ExitCode::kDone;
}

/// As a probe wants it: one line, and an exit code. Health asks for no token.
ExitCode RunHealth(Session& session) {
  using grpc::health::v1::HealthCheckResponse;
  HealthCheckResponse response;
  auto call = session.connection.Unary(session.interrupt);
  const grpc::Status answer = session.connection.health().Check(
      call.context(), grpc::health::v1::HealthCheckRequest(), &response);
  if (!answer.ok()) return session.Report(answer);
  const bool serving = response.status() == HealthCheckResponse::SERVING;
  session.console.out << (serving ? "SERVING" : "NOT_SERVING") << '\n';
  return serving ? ExitCode::kDone : ExitCode::kUnreachable;
}

/// Until the service answers no more: then it has stopped.
ExitCode WaitUntilGone(Session& session) {
  while (true) {
    v1::Status ignored;
    const grpc::Status answer = GetStatus(session, ignored);
    if (IsInterruption(answer)) return ExitCode::kDone;
    if (!answer.ok()) return session.Report(answer);
    if (session.interrupt.WaitFor(kPollInterval)) {
      return session.Report(grpc::Status::CANCELLED);
    }
  }
}

ExitCode RunDrain(const DrainOptions& options, Session& session) {
  v1::DrainRequest request;
  if (options.grace) *request.mutable_grace() = ToProto(*options.grace);
  v1::DrainResponse response;
  auto call = session.connection.Unary(session.interrupt);
  const grpc::Status status = session.connection.admin().Drain(call.context(), request, &response);
  if (!status.ok()) return session.Report(status);
  session.console.out << "draining; work in flight is interrupted at "
                      << google::protobuf::util::TimeUtil::ToString(response.deadline()) << '\n'
                      << std::flush;
  if (!options.wait) return ExitCode::kDone;
  const ExitCode code = WaitUntilGone(session);
  if (code == ExitCode::kDone) session.console.Note("the service has stopped");
  return code;
}

/// With nothing to set, what it is.
ExitCode RunLogLevel(const std::string& level, Session& session) {
  if (level.empty()) {
    v1::Status status;
    const grpc::Status answer = GetStatus(session, status);
    if (!answer.ok()) return session.Report(answer);
    session.console.out << Printable(status.log_level()) << '\n';
    return ExitCode::kDone;
  }
  v1::SetLogLevelRequest request;
  request.set_level(level);
  v1::SetLogLevelResponse response;
  auto call = session.connection.Unary(session.interrupt);
  const grpc::Status status =
      session.connection.admin().SetLogLevel(call.context(), request, &response);
  if (!status.ok()) return session.Report(status);
  session.console.out << Printable(Concat(response.level(), " (was ", response.previous(), ")"))
                      << '\n';
  return ExitCode::kDone;
}

}  // namespace

void AddStatus(CommandLine& line) {
  CLI::App* app = line.Subcommand("status", "Show the service's dials, limits and queue",
                                  "  fetchctl status -o wide      and its origins and shards\n"
                                  "  fetchctl status --fleet      the processes on its store");
  const auto options = std::make_shared<StatusOptions>();
  AddOutput(app, options->format, "table|wide|json|name");
  app->add_flag("--fleet", options->fleet,
                "Only the replicas that share the store, by host; * answers");
  line.commands.push_back(
      {app, [options](Session& session) { return RunStatus(*options, session); }, {}});
}

void AddHealth(CommandLine& line) {
  CLI::App* app = line.Subcommand("health", "Ask whether the service takes new work, for probes",
                                  "  fetchctl health --request-timeout 3s      0: it does; 3: it "
                                  "drains or cannot be reached");
  line.commands.push_back({app, [](Session& session) { return RunHealth(session); }, {}});
}

void AddDrain(CommandLine& line) {
  CLI::App* app = line.Subcommand("drain", "Stop the service without losing work",
                                  "  fetchctl drain --grace 30s --wait");
  const auto options = std::make_shared<DrainOptions>();
  AddDuration(app, "--grace", options->grace, "For work in flight. Default: shutdown.grace");
  app->add_flag("--wait", options->wait, "Wait until the service has stopped");
  line.commands.push_back(
      {app, [options](Session& session) { return RunDrain(*options, session); }, {}});
}

void AddLogLevel(CommandLine& line) {
  CLI::App* app = line.Subcommand(
      "log-level", "Show which lines the service logs, or change that while it runs",
      "  fetchctl log-level\n"
      "  fetchctl log-level debug\n\n"
      "It holds until the service ends; log.level of its configuration is for its next start.");
  const auto level = std::make_shared<std::string>();
  app->add_option("LEVEL", *level, "Lines below it are dropped")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->type_name("debug|info|warning|error");
  line.commands.push_back(
      {app, [level](Session& session) { return RunLogLevel(*level, session); }, {}});
}

void AddVersion(CommandLine& line) {
  CLI::App* app = line.Subcommand("version", "Print the version of fetchctl", "  fetchctl version");
  line.commands.push_back({app, {}, [](Console& console) {
                             console.out << "fetchctl " FETCHCTL_VERSION "\n";
                             return ExitCode::kDone;
                           }});
}

}  // namespace fetchd::cli
