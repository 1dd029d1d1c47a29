// explain.
#include <ostream>

#include "cli/command_line.h"
#include "cli/explain.h"

namespace fetchd::cli {
namespace {

struct ExplainOptions {
  std::vector<std::string> jobs;
  OutputFormat format = OutputFormat::kTable;
};

ExitCode RunExplain(const ExplainOptions& options, Session& session) {
  ExitCodes codes;
  for (const std::string& name : options.jobs) {
    v1::ExplainJobRequest request;
    request.set_name(JobName(name));
    v1::ExplainJobResponse explained;
    auto call = session.connection.Unary(session.interrupt);
    const grpc::Status status =
        session.connection.fetch().ExplainJob(call.context(), request, &explained);
    if (!status.ok()) {
      codes.Add(session.Report(status));
      continue;
    }
    if (options.format == OutputFormat::kJson) {
      session.console.out << ToJson(explained) << '\n';
    } else {
      session.console.out << ExplainText(explained, session.console.width);
    }
  }
  return codes.Combined();
}

}  // namespace

void AddExplain(CommandLine& line) {
  CLI::App* app =
      line.Subcommand("explain", "Show why jobs wait, and where the time of their attempts went",
                      "  fetchctl explain JOB");
  const auto options = std::make_shared<ExplainOptions>();
  AddJobNames(app, options->jobs)->required();
  AddOutput(app, options->format, "table|json");
  line.commands.push_back(
      {app, [options](Session& session) { return RunExplain(*options, session); }, {}});
}

}  // namespace fetchd::cli
