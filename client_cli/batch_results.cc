// batch results: what became of each entry, successes and failures apart.
#include <algorithm>
#include <map>
#include <ostream>
#include <set>

#include "base/digest.h"
#include "base/signed_url.h"
#include "base/strings.h"
#include "cli/batch_commands.h"
#include "cli/batch_print.h"
#include "cli/csv.h"
#include "cli/print.h"
#include "cli/values.h"

namespace fetchd::cli {
namespace {

enum class ResultFormat { kTable, kJson, kCsv, kName };

struct ResultsOptions {
  std::string batch;
  bool failed = false, succeeded = false;
  ResultFormat format = ResultFormat::kTable;
};

constexpr std::int32_t kResultsAPage = 1'000;

/// Where results go, one at a time.
class ResultPrinter {
 public:
  virtual ~ResultPrinter() = default;
  virtual void Print(const v1::Job& job) = 0;
  virtual void Print(const v1::BatchEntry& entry) = 0;
  virtual void Finish() {}
};

class ResultTable final : public ResultPrinter {
 public:
  explicit ResultTable(Console& console)
      : table_(console.out,
               {{"ENTRY", 7}, {"STATE", 9, true}, {"JOB", 31}, {"URL", 40}, {"DETAIL", 0}},
               console.color) {}

  void Print(const v1::Job& job) override {
    const std::string detail = job.has_error() ? OneLine(job.error()) : job.result().destination();
    table_.Row({Concat(job.batch_entry()), v1::Job::State_Name(job.state()), job.name(),
                job.spec().urls_size() > 0 ? job.spec().urls(0) : "-", detail});
  }
  void Print(const v1::BatchEntry& entry) override {
    table_.Row({Concat(entry.entry()), entry.has_error() ? "FAILED" : "SKIPPED",
                entry.has_error() ? "-" : entry.job(), entry.url(),
                entry.has_error() ? OneLine(entry.error()) : "the job of another entry did it"});
  }

 private:
  Table table_;
};

class ResultJson final : public ResultPrinter {
 public:
  explicit ResultJson(Console& console) : out_(console.out) {}
  void Print(const v1::Job& job) override { out_ << ToJson(job) << '\n'; }
  void Print(const v1::BatchEntry& entry) override { out_ << ToJson(entry) << '\n'; }

 private:
  std::ostream& out_;
};

class ResultNames final : public ResultPrinter {
 public:
  explicit ResultNames(Console& console) : out_(console.out) {}
  void Print(const v1::Job& job) override { out_ << Printable(job.name()) << '\n'; }
  void Print(const v1::BatchEntry&) override {}  // Has no job.

 private:
  std::ostream& out_;
};

std::string Joined(const google::protobuf::RepeatedPtrField<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += Concat(text.empty() ? "" : " ", word);
  return text;
}

const char* OverwriteText(v1::Job::Overwrite overwrite) {
  if (overwrite == v1::Job::OVERWRITE_NEVER) return "never";
  return overwrite == v1::Job::OVERWRITE_IF_DIFFERENT ? "if-different" : "";
}

/// A manifest that `batch create` and `submit` read. Held until its columns are known: those that
/// some row has.
class ResultCsv final : public ResultPrinter {
 public:
  explicit ResultCsv(Console& console) : console_(console) {}

  void Print(const v1::Job& job) override {
    Row row = RowOf(job.spec());
    row["entry"] = Concat(job.batch_entry());
    row["destination"] = job.destination();
    if (job.priority() != 0) row["priority"] = Concat(job.priority());
    row["overwrite"] = OverwriteText(job.overwrite());
    for (const auto& [key, value] : job.labels()) row["label." + key] = value;
    if (job.has_error()) row["error"] = OneLine(job.error());
    if (job.has_result() && !job.result().not_modified()) {
      row["size"] = Concat(job.result().size_bytes());
      row["digests"] = Joined(job.result().digests());
    }
    rows_.push_back(std::move(row));
  }
  void Print(const v1::BatchEntry& entry) override {
    Row row;
    row["entry"] = Concat(entry.entry());
    row["url"] = Shown(entry.url());
    row["destination"] = entry.destination();
    if (entry.has_error()) row["error"] = OneLine(entry.error());
    rows_.push_back(std::move(row));
  }
  void Finish() override {
    std::vector<std::string> columns = {"url", "destination"};
    std::set<std::string> others;
    for (const Row& row : rows_) {
      for (const auto& [name, value] : row) {
        if (!value.empty() && !IsFixed(name)) others.insert(name);
      }
    }
    columns.insert(columns.end(), others.begin(), others.end());
    columns.insert(columns.end(), {"entry", "error"});
    Line(columns);
    for (Row& row : rows_) {
      std::vector<std::string> cells;
      for (const std::string& name : columns) cells.push_back(row[name]);
      Line(cells);
    }
    if (left_out_) {
      console_.Note(
          "request headers, credentials and conditions are not part of a CSV: give them again by "
          "flags");
    }
    if (has_hidden_) {
      console_.Note(
          "signatures and tokens in URLs are not shown: sign these URLs anew, or use batch retry");
    }
  }

 private:
  using Row = std::map<std::string, std::string>;

  Row RowOf(const v1::FetchSpec& spec) {
    left_out_ = left_out_ || spec.headers_size() > 0 || spec.has_credentials() ||
                spec.if_none_match_size() > 0 || spec.has_if_modified_since();
    Row row;
    for (const std::string& url : spec.urls()) Shown(url);
    row["url"] = Joined(spec.urls());
    row["digests"] = Joined(spec.digests());
    if (spec.has_expected_size()) row["size"] = Concat(spec.expected_size());
    if (spec.has_range()) {
      row["range"] = Concat(spec.range().first(), "-");
      if (spec.range().has_last()) row["range"] += Concat(spec.range().last());
    }
    return row;
  }
  const std::string& Shown(const std::string& url) {
    has_hidden_ = has_hidden_ || HasHiddenSignature(url);
    return url;
  }
  static bool IsFixed(const std::string& name) {
    return name == "url" || name == "destination" || name == "entry" || name == "error";
  }
  void Line(const std::vector<std::string>& cells) {
    for (std::size_t i = 0; i < cells.size(); ++i) {
      console_.out << (i == 0 ? "" : ",") << CsvField(cells[i]);
    }
    console_.out << "\r\n";
  }

  Console& console_;
  std::vector<Row> rows_;
  bool left_out_ = false;
  bool has_hidden_ = false;
};

std::unique_ptr<ResultPrinter> ResultPrinterFor(ResultFormat format, Console& console) {
  switch (format) {
    case ResultFormat::kJson:
      return std::make_unique<ResultJson>(console);
    case ResultFormat::kCsv:
      return std::make_unique<ResultCsv>(console);
    case ResultFormat::kName:
      return std::make_unique<ResultNames>(console);
    case ResultFormat::kTable:
      break;
  }
  return std::make_unique<ResultTable>(console);
}

grpc::Status PrintEntries(Session& session, const ResultsOptions& options, ResultPrinter& printer) {
  v1::ListBatchEntriesRequest request;
  request.set_name(BatchName(options.batch));
  request.set_page_size(kResultsAPage);
  do {
    v1::ListBatchEntriesResponse page;
    auto call = session.connection.Unary(session.interrupt);
    const grpc::Status status =
        session.connection.batch().ListBatchEntries(call.context(), request, &page);
    if (!status.ok()) return status;
    for (const v1::BatchEntry& entry : page.entries()) {
      if (entry.has_error() ? options.failed : options.succeeded) printer.Print(entry);
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return grpc::Status::OK;
}

grpc::Status PrintJobs(Session& session, const ResultsOptions& options, v1::Job::State state,
                       ResultPrinter& printer) {
  v1::ListJobsRequest request;
  request.mutable_filter()->set_batch(BatchName(options.batch));
  request.mutable_filter()->add_states(state);
  request.set_page_size(kResultsAPage);
  do {
    v1::ListJobsResponse page;
    auto call = session.connection.Unary(session.interrupt);
    const grpc::Status status = session.connection.fetch().ListJobs(call.context(), request, &page);
    if (!status.ok()) return status;
    for (const v1::Job& job : page.jobs()) printer.Print(job);
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return grpc::Status::OK;
}

ExitCode RunResults(ResultsOptions options, Session& session) {
  // Neither flag: all that has ended.
  if (!options.failed && !options.succeeded) options.failed = options.succeeded = true;
  const std::unique_ptr<ResultPrinter> printer = ResultPrinterFor(options.format, session.console);
  std::vector<v1::Job::State> states;
  if (options.succeeded) states.push_back(v1::Job::SUCCEEDED);
  if (options.failed) states.insert(states.end(), {v1::Job::FAILED, v1::Job::CANCELLED});
  // First: says so when there is no such batch.
  grpc::Status status = PrintEntries(session, options, *printer);
  for (const v1::Job::State state : states) {
    if (status.ok()) status = PrintJobs(session, options, state, *printer);
  }
  if (!status.ok()) return session.Report(status);
  printer->Finish();
  return ExitCode::kDone;
}

void AddResultFormat(CLI::App* app, ResultFormat& format) {
  const auto parse = [&format](const std::string& text) {
    const std::pair<const char*, ResultFormat> known[] = {{"table", ResultFormat::kTable},
                                                          {"json", ResultFormat::kJson},
                                                          {"csv", ResultFormat::kCsv},
                                                          {"name", ResultFormat::kName}};
    for (const auto& [name, value] : known) {
      if (text != name) continue;
      format = value;
      return;
    }
    throw CLI::ValidationError("--output",
                               Concat("\"", text, "\" is not one of table|json|csv|name"));
  };
  app->add_option_function<std::string>("-o,--output", parse, "Format. Default table")
      ->type_name("table|json|csv|name");
}

}  // namespace

void AddBatchResults(CommandLine& line, CLI::App* batch) {
  CLI::App* app = BatchSubcommand(
      batch, "results", "What became of each entry that has ended",
      "  fetchctl batch results BATCH --failed -o csv > again.csv      a manifest of the failures\n"
      "  fetchctl batch results BATCH --succeeded -o json\n"
      "Cancelled jobs are with the failed ones, skipped entries with the succeeded ones.");
  const auto options = std::make_shared<ResultsOptions>();
  app->add_option("batch", options->batch, "The batch, as \"batches/ID\" or \"ID\"")
      ->required()
      ->type_name("BATCH");
  CLI::Option* failed = app->add_flag("--failed", options->failed, "Those that failed alone");
  app->add_flag("--succeeded", options->succeeded, "Those that succeeded alone")->excludes(failed);
  AddResultFormat(app, options->format);
  line.commands.push_back(
      {app, [options](Session& session) { return RunResults(*options, session); }, {}});
}

}  // namespace fetchd::cli
