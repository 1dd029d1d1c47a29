// check: would the egress policy let these URLs pass?
#include <deque>
#include <ostream>

#include "cli/command_line.h"
#include "cli/manifest.h"

namespace fetchd::cli {
namespace {

struct CheckOptions {
  std::vector<std::string> urls;
  std::string input;
  std::string tenant;
  OutputFormat format = OutputFormat::kTable;
};

constexpr char kCheckExamples[] =
    "  fetchctl check https://example.org/ http://169.254.169.254/\n"
    "  fetchctl check -i urls.txt -o json\n"
    "  fetchctl check --tenant builds -o wide https://mirror.internal/   # in which mode, and why\n"
    "Nothing is contacted. Answers come in the order given. Exit code 5 when one is not allowed.\n"
    "A list has one URL a line, or JSON objects with a \"url\".";

constexpr std::size_t kWindow = 64;

/// Calls in flight, answered in the order in which they were begun.
class CheckPipeline {
 public:
  CheckPipeline(Session& session, std::string tenant,
                std::function<void(const v1::CheckUrlResponse&)> on_answer)
      : session_(session), tenant_(std::move(tenant)), on_answer_(std::move(on_answer)) {}
  ~CheckPipeline() {
    for (const auto& check : checks_) check->call.context()->TryCancel();
    queue_.Shutdown();
    void* tag = nullptr;
    for (bool ok = false; queue_.Next(&tag, &ok);) {
    }
  }
  CheckPipeline(const CheckPipeline&) = delete;
  CheckPipeline& operator=(const CheckPipeline&) = delete;

  grpc::Status Add(const std::string& url) {
    auto& check = *checks_.emplace_back(std::make_unique<Check>(session_));
    v1::CheckUrlRequest request;
    request.set_url(url);
    request.set_tenant(tenant_);
    check.reader =
        session_.connection.fetch().AsyncCheckUrl(check.call.context(), request, &queue_);
    check.reader->Finish(&check.response, &check.status, &check);
    return checks_.size() < kWindow ? grpc::Status::OK : TakeFirst();
  }
  grpc::Status Finish() {
    grpc::Status status;
    while (status.ok() && !checks_.empty()) status = TakeFirst();
    return status;
  }

 private:
  struct Check {
    explicit Check(Session& session) : call(session.connection.Unary(session.interrupt)) {}
    Connection::Call call;
    std::unique_ptr<grpc::ClientAsyncResponseReaderInterface<v1::CheckUrlResponse>> reader;
    v1::CheckUrlResponse response;
    grpc::Status status;
    bool done = false;
  };

  grpc::Status TakeFirst() {
    void* tag = nullptr;
    bool ok = false;
    while (!checks_.front()->done && queue_.Next(&tag, &ok)) static_cast<Check*>(tag)->done = true;
    const std::unique_ptr<Check> first = std::move(checks_.front());
    checks_.pop_front();
    if (first->status.ok()) on_answer_(first->response);
    return first->status;
  }

  Session& session_;
  const std::string tenant_;
  std::function<void(const v1::CheckUrlResponse&)> on_answer_;
  grpc::CompletionQueue queue_;
  std::deque<std::unique_ptr<Check>> checks_;
};

class CheckPrinter {
 public:
  CheckPrinter(Console& console, OutputFormat format)
      : console_(console),
        format_(format),
        table_(console.out, {{"ALLOWED", 7}, {"REASON", 18}, {"RULE", 28}, {"URL", 0}}),
        wide_(console.out, {{"ALLOWED", 7},
                            {"REASON", 18},
                            {"RULE", 28},
                            {"TENANT", 12},
                            {"MODE", 7},
                            {"URL", 48},
                            {"DETAIL", 0}}) {}

  void Print(const v1::CheckUrlResponse& answer) {
    all_allowed_ = all_allowed_ && answer.allowed();
    const std::string allowed = answer.allowed() ? "yes" : "no";
    switch (format_) {
      case OutputFormat::kJson:
        console_.out << ToJson(answer) << '\n';
        return;
      case OutputFormat::kName:
        console_.out << Printable(answer.url()) << '\n';
        return;
      case OutputFormat::kTable:
        table_.Row({allowed, answer.reason(), answer.rule(), answer.url()});
        return;
      case OutputFormat::kWide:
        wide_.Row({allowed, answer.reason(), answer.rule(), answer.tenant(), answer.mode(),
                   answer.url(), answer.detail()});
        return;
    }
  }
  bool all_allowed() const { return all_allowed_; }

 private:
  Console& console_;
  OutputFormat format_;
  Table table_, wide_;
  bool all_allowed_ = true;
};

ExitCode RunCheck(const CheckOptions& options, Session& session) {
  std::vector<std::string> urls = options.urls;
  if (!options.input.empty()) {
    auto listed = ReadUrls(options.input);
    if (!listed.ok()) return session.Report(ToGrpc(listed.status()));
    urls.insert(urls.end(), listed->begin(), listed->end());
  }
  if (urls.empty()) {
    return session.console.Report(ExitCode::kUsage, "nothing to check: give URLs or -i FILE");
  }
  CheckPrinter printer(session.console, options.format);
  CheckPipeline pipeline(session, options.tenant,
                         [&printer](const v1::CheckUrlResponse& answer) { printer.Print(answer); });
  grpc::Status status;
  for (std::size_t i = 0; i < urls.size() && status.ok(); ++i) status = pipeline.Add(urls[i]);
  if (status.ok()) status = pipeline.Finish();
  session.console.out << std::flush;
  if (!status.ok()) return session.Report(status);
  return printer.all_allowed() ? ExitCode::kDone : ExitCode::kRefused;
}

}  // namespace

void AddCheck(CommandLine& line) {
  CLI::App* app = line.Subcommand("check", "Ask whether policy allows URLs", kCheckExamples);
  const auto options = std::make_shared<CheckOptions>();
  app->add_option("urls", options->urls, "URLs")->type_name("URL");
  app->add_option("-i,--input", options->input, "List of URLs; - is standard input")
      ->type_name("FILE");
  app->add_option("--tenant", options->tenant, "Whose rules are asked. Default: the caller's own")
      ->type_name("NAME");
  AddOutput(app, options->format, "table|wide|json|name");
  line.commands.push_back(
      {app, [options](Session& session) { return RunCheck(*options, session); }, {}});
}

}  // namespace fetchd::cli
