// batch list, describe, wait, cancel, retry and delete; see batch_commands.h for the others.
#include <algorithm>
#include <ostream>

#include "base/strings.h"
#include "cli/batch_commands.h"
#include "cli/batch_print.h"
#include "cli/batch_wait.h"

namespace fetchd::cli {
namespace {

struct BatchesOptions {
  std::vector<std::string> batches;
  std::uint32_t limit = 100;
  std::optional<Milliseconds> timeout;
  bool wait = false, cancelled_too = false;
  OutputFormat format = OutputFormat::kTable;
};

constexpr std::uint32_t kBatchesAPage = 1'000;

ExitCode RunBatchList(const BatchesOptions& options, Session& session) {
  BatchPrinter printer(session.console, options.format, std::chrono::system_clock::now());
  v1::ListBatchesRequest request;
  for (std::uint32_t printed = 0; printed < options.limit;) {
    request.set_page_size(
        static_cast<std::int32_t>(std::min(kBatchesAPage, options.limit - printed)));
    v1::ListBatchesResponse page;
    auto call = session.connection.Unary(session.interrupt);
    const grpc::Status status =
        session.connection.batch().ListBatches(call.context(), request, &page);
    if (!status.ok()) return session.Report(status);
    for (const v1::Batch& batch : page.batches()) printer.Print(batch);
    printed += static_cast<std::uint32_t>(page.batches_size());
    if (page.next_page_token().empty()) break;
    request.set_page_token(page.next_page_token());
  }
  return ExitCode::kDone;
}

ExitCode RunBatchDescribe(const BatchesOptions& options, Session& session) {
  ExitCodes codes;
  bool first = true;
  for (const std::string& text : options.batches) {
    v1::Batch batch;
    const grpc::Status status = GetBatch(session, BatchName(text), batch);
    if (!status.ok()) {
      codes.Add(session.Report(status));
      continue;
    }
    if (options.format == OutputFormat::kJson) {
      session.console.out << ToJson(batch) << '\n';
    } else {
      session.console.out << (std::exchange(first, false) ? "" : "\n") << DescribeBatch(batch);
    }
  }
  return codes.Combined();
}

ExitCode RunBatchWait(const BatchesOptions& options, Session& session) {
  ExitCodes codes;
  for (const std::string& text : options.batches) {
    codes.Add(WaitForBatch(session, BatchName(text), options.format, options.timeout));
    if (session.interrupt.triggered()) return ExitCode::kInterrupted;
  }
  return codes.Combined();
}

grpc::Status CancelBatch(Session& session, const std::string& name, const BatchesOptions&,
                         v1::Batch& batch) {
  v1::CancelBatchRequest request;
  request.set_name(name);
  auto call = session.connection.Unary(session.interrupt);
  return session.connection.batch().CancelBatch(call.context(), request, &batch);
}

grpc::Status RetryBatch(Session& session, const std::string& name, const BatchesOptions& options,
                        v1::Batch& batch) {
  v1::RetryBatchRequest request;
  request.set_name(name);
  request.set_cancelled_too(options.cancelled_too);
  auto call = session.connection.Unary(session.interrupt);
  return session.connection.batch().RetryBatch(call.context(), request, &batch);
}

using BatchCall = grpc::Status (*)(Session&, const std::string&, const BatchesOptions&, v1::Batch&);

ExitCode RunBatchCall(BatchCall action, const BatchesOptions& options, Session& session) {
  ExitCodes codes;
  BatchPrinter printer(session.console, options.format, std::chrono::system_clock::now());
  std::vector<std::string> begun;
  for (const std::string& text : options.batches) {
    v1::Batch batch;
    const grpc::Status status = action(session, BatchName(text), options, batch);
    if (!status.ok()) {
      codes.Add(session.Report(status));
      continue;
    }
    begun.push_back(batch.name());
    if (!options.wait) printer.Print(batch);
  }
  for (const std::string& name : begun) {
    if (options.wait) codes.Add(WaitForBatch(session, name, options.format, options.timeout));
  }
  return session.interrupt.triggered() ? ExitCode::kInterrupted : codes.Combined();
}

ExitCode RunBatchDelete(const BatchesOptions& options, Session& session) {
  ExitCodes codes;
  for (const std::string& text : options.batches) {
    v1::DeleteBatchRequest request;
    request.set_name(BatchName(text));
    google::protobuf::Empty nothing;
    auto call = session.connection.Unary(session.interrupt);
    const grpc::Status status =
        session.connection.batch().DeleteBatch(call.context(), request, &nothing);
    if (status.ok()) {
      session.console.out << Printable(request.name()) << " deleted\n";
    } else {
      codes.Add(session.Report(status));
    }
  }
  return codes.Combined();
}

void AddBatchNames(CLI::App* app, BatchesOptions& options) {
  app->add_option("batches", options.batches, "Batches, as \"batches/ID\" or \"ID\"")
      ->required()
      ->type_name("BATCH");
}

void AddBatchCall(CommandLine& line, CLI::App* app, BatchCall action) {
  const auto options = std::make_shared<BatchesOptions>();
  AddBatchNames(app, *options);
  if (action == RetryBatch) {
    app->add_flag("--cancelled", options->cancelled_too, "The cancelled jobs too");
  }
  app->add_flag("--wait", options->wait, "Wait until it has ended");
  AddDuration(app, "--wait-timeout", options->timeout, "Wait no longer. Default: no limit")
      ->needs("--wait");
  AddOutput(app, options->format, "table|wide|json|name");
  line.commands.push_back(
      {app,
       [options, action](Session& session) { return RunBatchCall(action, *options, session); },
       {}});
}

void AddBatchCommand(CommandLine& line, CLI::App* app,
                     const std::shared_ptr<BatchesOptions>& options,
                     ExitCode (*run)(const BatchesOptions&, Session&)) {
  line.commands.push_back(
      {app, [options, run](Session& session) { return run(*options, session); }, {}});
}

void AddReadingOfBatches(CommandLine& line, CLI::App* batch) {
  const auto listed = std::make_shared<BatchesOptions>();
  CLI::App* list =
      BatchSubcommand(batch, "list", "List batches, newest first", "  fetchctl batch list -o wide");
  list->add_option("--limit", listed->limit, "Print at most so many. Default 100")
      ->check(CLI::Range(1, 1'000'000'000))
      ->type_name("N");
  AddOutput(list, listed->format, "table|wide|json|name");
  AddBatchCommand(line, list, listed, RunBatchList);

  const auto described = std::make_shared<BatchesOptions>();
  CLI::App* describe = BatchSubcommand(batch, "describe", "Show the counters and errors of a batch",
                                       "  fetchctl batch describe BATCH");
  AddBatchNames(describe, *described);
  AddOutput(describe, described->format, "table|json");
  AddBatchCommand(line, describe, described, RunBatchDescribe);

  const auto waited = std::make_shared<BatchesOptions>();
  CLI::App* wait = BatchSubcommand(batch, "wait", "Wait until a batch has ended",
                                   "  fetchctl batch wait BATCH      1 when some of it failed");
  AddBatchNames(wait, *waited);
  AddDuration(wait, "--timeout", waited->timeout, "Wait no longer. Default: no limit");
  AddOutput(wait, waited->format, "table|wide|json|name");
  AddBatchCommand(line, wait, waited, RunBatchWait);
}

}  // namespace

grpc::Status GetBatch(Session& session, const std::string& name, v1::Batch& batch) {
  v1::GetBatchRequest request;
  request.set_name(name);
  auto call = session.connection.Unary(session.interrupt);
  return session.connection.batch().GetBatch(call.context(), request, &batch);
}

CLI::App* BatchSubcommand(CLI::App* batch, const std::string& name, const std::string& description,
                          const std::string& examples) {
  CLI::App* app = batch->add_subcommand(name, description);
  app->fallthrough();
  app->footer(Concat("Examples:\n", examples, "\nConnection flags: fetchctl --help"));
  return app;
}

void AddBatch(CommandLine& line) {
  CLI::App* batch =
      line.Subcommand("batch", "The jobs of one manifest, counted and handled together",
                      "  fetchctl batch create -i manifest.csv --to file:isos/{basename} --wait\n"
                      "  fetchctl batch results BATCH --failed -o csv > again.csv");
  batch->require_subcommand(1);
  AddBatchCreate(line, batch);
  AddReadingOfBatches(line, batch);
  AddBatchCall(line,
               BatchSubcommand(batch, "cancel", "Stop what has not ended of a batch",
                               "  fetchctl batch cancel BATCH"),
               CancelBatch);
  AddBatchCall(line,
               BatchSubcommand(batch, "retry", "Queue the failed jobs of a batch again",
                               "  fetchctl batch retry BATCH --wait"),
               RetryBatch);
  const auto deleted = std::make_shared<BatchesOptions>();
  CLI::App* remove =
      BatchSubcommand(batch, "delete", "Forget a batch and its jobs; what they fetched stays",
                      "  fetchctl batch delete BATCH");
  AddBatchNames(remove, *deleted);
  AddBatchCommand(line, remove, deleted, RunBatchDelete);
  AddBatchResults(line, batch);
}

}  // namespace fetchd::cli
