// list, describe, watch, cancel, pause, resume, retry and delete.
#include <algorithm>
#include <ostream>

#include "base/strings.h"
#include "cli/batch_print.h"
#include "cli/command_line.h"
#include "cli/wait.h"
#include "cli/watch.h"

namespace fetchd::cli {
namespace {

struct FilterOptions {
  std::vector<std::string> states;
  std::vector<std::pair<std::string, std::string>> labels;
  std::string origin, tenant, batch;
};

struct ListOptions {
  FilterOptions filter;
  std::uint32_t limit = 100;
  bool all = false;
  OutputFormat format = OutputFormat::kTable;
};

struct JobsOptions {
  std::vector<std::string> jobs;
  FilterOptions filter;
  std::optional<Milliseconds> timeout;
  OutputFormat format = OutputFormat::kTable;
};

constexpr int kMaxPageSize = 1'000;
constexpr const char* kFilterFlags[] = {"--state", "--label", "--origin", "--tenant", "--batch"};

void AddFilter(CLI::App* app, FilterOptions& filter) {
  const auto parse = [&filter](const std::vector<std::string>& texts) {
    for (std::string text : texts) {
      std::transform(text.begin(), text.end(), text.begin(),
                     [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
      v1::Job::State state;
      if (!v1::Job::State_Parse(text, &state) || state == v1::Job::STATE_UNSPECIFIED) {
        throw CLI::ValidationError("--state", Concat("\"", text, "\" is not a state"));
      }
      filter.states.push_back(text);
    }
  };
  app->add_option_function<std::vector<std::string>>("--state", parse, "In this state; many times")
      ->take_all()
      ->allow_extra_args(false)
      ->type_name("queued|running|waiting|interrupted|paused|succeeded|failed|cancelled");
  AddPairs(app, "--label", '=', filter.labels, "With this label; many times");
  app->add_option("--origin", filter.origin, "Of this origin, as https://example.org")
      ->type_name("ORIGIN");
  app->add_option("--tenant", filter.tenant, "Of this tenant")->type_name("NAME");
  app->add_option("--batch", filter.batch, "Of this batch")->type_name("BATCH");
}

v1::JobFilter FilterToProto(const FilterOptions& options) {
  v1::JobFilter filter;
  for (const std::string& name : options.states) {
    v1::Job::State state;
    if (v1::Job::State_Parse(name, &state)) filter.add_states(state);
  }
  for (const auto& [key, value] : options.labels) (*filter.mutable_labels())[key] = value;
  filter.set_origin(options.origin);
  filter.set_tenant(options.tenant);
  if (!options.batch.empty()) filter.set_batch(BatchName(options.batch));
  return filter;
}

ExitCode RunList(const ListOptions& options, Session& session) {
  JobPrinter printer(session.console, options.format, JobPrinter::Columns::kListed,
                     std::chrono::system_clock::now());
  v1::ListJobsRequest request;
  *request.mutable_filter() = FilterToProto(options.filter);
  for (std::uint32_t printed = 0; options.all || printed < options.limit;) {
    const std::uint32_t wanted = options.all ? kMaxPageSize : options.limit - printed;
    request.set_page_size(std::min<std::int32_t>(kMaxPageSize, static_cast<std::int32_t>(wanted)));
    v1::ListJobsResponse page;
    auto call = session.connection.Unary(session.interrupt);
    const grpc::Status status = session.connection.fetch().ListJobs(call.context(), request, &page);
    if (!status.ok()) return session.Report(status);
    for (const v1::Job& job : page.jobs()) printer.Print(job);
    printed += static_cast<std::uint32_t>(page.jobs_size());
    request.set_page_token(page.next_page_token());
    if (page.next_page_token().empty()) return ExitCode::kDone;
  }
  session.console.out << std::flush;
  session.console.Note("there are more: --limit N or --all");
  return ExitCode::kDone;
}

ExitCode RunDescribe(const JobsOptions& options, Session& session) {
  ExitCodes codes;
  bool first = true;
  for (const std::string& name : options.jobs) {
    v1::GetJobRequest request;
    request.set_name(JobName(name));
    request.set_view(v1::JOB_VIEW_FULL);
    v1::Job job;
    auto call = session.connection.Unary(session.interrupt);
    const grpc::Status status = session.connection.fetch().GetJob(call.context(), request, &job);
    if (!status.ok()) {
      codes.Add(session.Report(status));
      continue;
    }
    if (options.format == OutputFormat::kJson) {
      session.console.out << ToJson(job) << '\n';
    } else if (options.format == OutputFormat::kName) {
      session.console.out << Printable(job.name()) << '\n';
    } else {
      session.console.out << (first ? "" : "\n") << DescribeJob(job);
    }
    first = false;
  }
  return codes.Combined();
}

/// Every state change of every job that matches, until Ctrl-C.
ExitCode WatchAll(const JobsOptions& options, Session& session) {
  v1::WatchJobsRequest request;
  *request.mutable_filter() = FilterToProto(options.filter);
  request.set_no_progress(true);
  JobPrinter printer(session.console, options.format, JobPrinter::Columns::kSubmitted,
                     std::chrono::system_clock::now());
  WatchLimits limits;
  if (options.timeout) limits.deadline = std::chrono::steady_clock::now() + *options.timeout;
  const grpc::Status status =
      WatchJobs(session, request, limits, [&](const v1::WatchJobsResponse& event) {
        if (options.format == OutputFormat::kJson) {
          session.console.out << ToJson(event) << '\n';
        } else if (event.has_state_change()) {
          v1::Job job = event.state_change().job();
          job.set_state(event.state_change().state());
          printer.Print(job);
        }
        session.console.out << std::flush;
      });
  return status.ok() ? ExitCode::kDone : session.Report(status);
}

ExitCode RunWatch(const JobsOptions& options, Session& session) {
  if (options.jobs.empty()) return WatchAll(options, session);
  std::vector<std::string> names;
  for (const std::string& job : options.jobs) names.push_back(JobName(job));
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return WaitAndPrint(session, names, options.format, options.timeout);
}

grpc::Status Cancel(Session& session, const std::string& name, v1::Job& job) {
  v1::CancelJobRequest request;
  request.set_name(name);
  auto call = session.connection.Unary(session.interrupt);
  return session.connection.fetch().CancelJob(call.context(), request, &job);
}

grpc::Status Retry(Session& session, const std::string& name, v1::Job& job) {
  v1::RetryJobRequest request;
  request.set_name(name);
  auto call = session.connection.Unary(session.interrupt);
  return session.connection.fetch().RetryJob(call.context(), request, &job);
}

grpc::Status Pause(Session& session, const std::string& name, v1::Job& job) {
  v1::PauseJobRequest request;
  request.set_name(name);
  auto call = session.connection.Unary(session.interrupt);
  return session.connection.fetch().PauseJob(call.context(), request, &job);
}

grpc::Status Resume(Session& session, const std::string& name, v1::Job& job) {
  v1::ResumeJobRequest request;
  request.set_name(name);
  auto call = session.connection.Unary(session.interrupt);
  return session.connection.fetch().ResumeJob(call.context(), request, &job);
}

struct Action {
  grpc::Status (*call)(Session&, const std::string&, v1::Job&);
  std::vector<std::string> states;  ///< In which a job can be meant by a filter that names none.
};

/// Names of the jobs that match.
grpc::Status FindJobs(const FilterOptions& filter, Session& session,
                      std::vector<std::string>& names) {
  v1::ListJobsRequest request;
  *request.mutable_filter() = FilterToProto(filter);
  request.set_page_size(kMaxPageSize);
  do {
    v1::ListJobsResponse page;
    auto call = session.connection.Unary(session.interrupt);
    const grpc::Status status = session.connection.fetch().ListJobs(call.context(), request, &page);
    if (!status.ok()) return status;
    for (const v1::Job& job : page.jobs()) names.push_back(job.name());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return grpc::Status::OK;
}

ExitCode RunAction(const Action& action, JobsOptions options, Session& session) {
  const bool filtered = options.jobs.empty();
  if (filtered) {
    if (options.filter.states.empty()) options.filter.states = action.states;
    const grpc::Status status = FindJobs(options.filter, session, options.jobs);
    if (!status.ok()) return session.Report(status);
  }
  JobPrinter printer(session.console, options.format, JobPrinter::Columns::kSubmitted,
                     std::chrono::system_clock::now());
  ExitCodes codes;
  for (const std::string& text : options.jobs) {
    v1::Job job;
    const grpc::Status status = action.call(session, JobName(text), job);
    // The job may have ended since it was found: then it was not meant.
    if (filtered && status.error_code() == grpc::StatusCode::FAILED_PRECONDITION) continue;
    if (status.ok()) {
      printer.Print(job);
    } else {
      codes.Add(session.Report(status));
    }
  }
  return codes.Combined();
}

ExitCode RunDelete(const JobsOptions& options, Session& session) {
  ExitCodes codes;
  for (const std::string& text : options.jobs) {
    v1::DeleteJobRequest request;
    request.set_name(JobName(text));
    google::protobuf::Empty nothing;
    auto call = session.connection.Unary(session.interrupt);
    const grpc::Status status =
        session.connection.fetch().DeleteJob(call.context(), request, &nothing);
    if (status.ok()) {
      session.console.out << Printable(request.name()) << " deleted\n";
    } else {
      codes.Add(session.Report(status));
    }
  }
  return codes.Combined();
}

void AddAction(CommandLine& line, const std::string& name, const std::string& description,
               Action action) {
  CLI::App* app = line.Subcommand(name, description,
                                  Concat("  fetchctl ", name, " JOB...\n  fetchctl ", name,
                                         " --label batch=7       every job that matches"));
  const auto options = std::make_shared<JobsOptions>();
  CLI::Option_group* which = app->add_option_group("Which jobs");
  which->require_option(1, 0);
  CLI::Option* jobs = AddJobNames(which, options->jobs);
  AddFilter(which, options->filter);
  for (const char* const filter : kFilterFlags) jobs->excludes(filter);
  AddOutput(app, options->format, "table|wide|json|name");
  line.commands.push_back({app,
                           [options, action = std::move(action)](Session& session) {
                             return RunAction(action, *options, session);
                           },
                           {}});
}

}  // namespace

void AddList(CommandLine& line) {
  CLI::App* app = line.Subcommand("list", "List jobs, newest first",
                                  "  fetchctl list --state failed --label batch=7 -o name");
  const auto options = std::make_shared<ListOptions>();
  AddFilter(app, options->filter);
  app->add_option("--limit", options->limit, "Print at most so many. Default 100")
      ->check(CLI::Range(1, 1'000'000'000))
      ->type_name("N");
  app->add_flag("--all", options->all, "Print all of them")->excludes("--limit");
  AddOutput(app, options->format, "table|wide|json|name");
  line.commands.push_back(
      {app, [options](Session& session) { return RunList(*options, session); }, {}});
}

void AddDescribe(CommandLine& line) {
  CLI::App* app = line.Subcommand("describe", "Show everything about a job, attempts included",
                                  "  fetchctl describe JOB");
  const auto options = std::make_shared<JobsOptions>();
  AddJobNames(app, options->jobs)->required();
  AddOutput(app, options->format, "table|wide|json|name");
  line.commands.push_back(
      {app, [options](Session& session) { return RunDescribe(*options, session); }, {}});
}

void AddWatch(CommandLine& line) {
  CLI::App* app = line.Subcommand(
      "watch", "Wait for jobs to end; without names, follow every state change",
      "  fetchctl watch JOB...               exits when all have ended, 1 when one failed\n"
      "  fetchctl watch --label batch=7      until Ctrl-C");
  const auto options = std::make_shared<JobsOptions>();
  CLI::Option* const jobs = AddJobNames(app, options->jobs);
  AddFilter(app, options->filter);
  for (const char* const filter : kFilterFlags) jobs->excludes(filter);
  AddDuration(app, "--timeout", options->timeout, "Watch no longer. Default: no limit");
  AddOutput(app, options->format, "table|wide|json|name");
  line.commands.push_back(
      {app, [options](Session& session) { return RunWatch(*options, session); }, {}});
}

void AddJobActions(CommandLine& line) {
  const std::vector<std::string> live = {"QUEUED", "RUNNING", "WAITING", "INTERRUPTED"};
  std::vector<std::string> not_ended = live;
  not_ended.emplace_back("PAUSED");
  AddAction(line, "cancel", "Stop jobs; nothing of them stays at their destinations",
            {Cancel, std::move(not_ended)});
  AddAction(line, "pause", "Stop jobs until they are resumed; they keep what they have",
            {Pause, live});
  AddAction(line, "resume", "Let paused jobs go on", {Resume, {"PAUSED"}});
  AddAction(line, "retry", "Queue failed or cancelled jobs again, with fresh attempts",
            {Retry, {"FAILED", "CANCELLED"}});
  CLI::App* app = line.Subcommand("delete", "Forget ended jobs; what they fetched stays",
                                  "  fetchctl delete JOB...");
  const auto options = std::make_shared<JobsOptions>();
  AddJobNames(app, options->jobs)->required();
  line.commands.push_back(
      {app, [options](Session& session) { return RunDelete(*options, session); }, {}});
}

}  // namespace fetchd::cli
