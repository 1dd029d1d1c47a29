// batch create: a manifest becomes a batch.
#include <ostream>
#include <random>

#include "base/strings.h"
#include "cli/batch_commands.h"
#include "cli/batch_print.h"
#include "cli/batch_wait.h"
#include "cli/fetch_flags.h"
#include "cli/job_flags.h"
#include "cli/manifest.h"
#include "cli/submission.h"
#include "cli/values.h"

namespace fetchd::cli {
namespace {

struct CreateOptions {
  std::string manifest, title, request_id, resume;
  ManifestFormat manifest_format = ManifestFormat::kAuto;
  FetchFlags fetch;
  JobFlags job;
  bool wait = false;
  std::optional<Milliseconds> wait_timeout;
  OutputFormat format = OutputFormat::kTable;
};

constexpr char kCreateExamples[] =
    "  fetchctl batch create -i manifest.csv --to file:isos/{basename} --wait\n"
    "  fetchctl batch create -i manifest.csv --resume BATCH      goes on where it was cut off\n";
/// So many refusals are said one by one.
constexpr std::size_t kMostRefusals = 10;

v1::Batch BatchOf(const CreateOptions& options) {
  v1::Batch batch;
  batch.set_display_name(options.title);
  v1::Batch::Defaults& defaults = *batch.mutable_defaults();
  if (!options.job.destinations.empty()) {
    defaults.set_destination(options.job.destinations.front());
  }
  defaults.set_overwrite(options.job.overwrite);
  defaults.set_tenant(options.job.tenant);
  defaults.set_priority(options.job.priority.value_or(0));
  for (const auto& [key, value] : options.job.labels) (*defaults.mutable_labels())[key] = value;
  if (const auto deadline = DeadlineOf(options.job)) *defaults.mutable_deadline() = *deadline;
  return batch;
}

grpc::Status CreateBatch(Session& session, const CreateOptions& options, v1::Batch& batch) {
  v1::CreateBatchRequest request;
  *request.mutable_batch() = BatchOf(options);
  request.set_request_id(options.request_id);
  auto call = session.connection.Unary(session.interrupt);
  return session.connection.batch().CreateBatch(call.context(), request, &batch);
}

grpc::Status SealBatch(Session& session, const std::string& name, v1::Batch& batch) {
  v1::SealBatchRequest request;
  request.set_name(name);
  auto call = session.connection.Unary(session.interrupt);
  return session.connection.batch().SealBatch(call.context(), request, &batch);
}

/// Entries of the manifest as requests for jobs of the batch. The same manifest makes the same
/// requests.
class Entries {
 public:
  Entries(const CreateOptions& options, std::string batch, v1::FetchSpec flags, Manifest manifest)
      : options_(options),
        batch_(std::move(batch)),
        flags_(std::move(flags)),
        manifest_(std::move(manifest)) {}

  std::optional<Submission> Next() {
    auto entry = manifest_.Next();
    if (!entry) return std::nullopt;
    Submission submission{std::move(entry->request), std::move(entry->place)};
    v1::Job& job = *submission.request.mutable_job();
    job.set_batch(batch_);
    job.set_batch_entry(entry->number);
    // The first alone is the batch's default; of others it has none.
    if (options_.job.destinations.size() > 1) FillInDestinations(options_.job, job);
    FillInObject(options_.job, job);
    FillIn(flags_, *job.mutable_spec());
    FillInAttempts(options_.job, *job.mutable_spec());
    if (submission.request.request_id().empty()) {
      submission.request.set_request_id(Concat(batch_, ":", entry->number));
    }
    return submission;
  }

 private:
  const CreateOptions& options_;
  const std::string batch_;
  const v1::FetchSpec flags_;
  Manifest manifest_;
};

/// What the batch has counted of an entry that made no job; anything else is of the moment.
bool IsRefusal(int code) {
  return code == grpc::StatusCode::INVALID_ARGUMENT ||
         code == grpc::StatusCode::PERMISSION_DENIED || code == grpc::StatusCode::ALREADY_EXISTS;
}

/// Answers as they come in.
class Upload {
 public:
  explicit Upload(const Console& console) : console_(console) {}

  void Add(const Submission& submission, const v1::CreateJobsResponse& answer) {
    if (!answer.has_error()) {
      ++(answer.created() ? created_ : existing_);
      return;
    }
    const grpc::Status error = ToGrpc(answer.error());
    ++(IsRefusal(answer.error().code()) ? refused_ : lost_);
    // Sealed, or deleted: the same again would meet the same.
    final_ = final_ || error.error_code() == grpc::StatusCode::FAILED_PRECONDITION ||
             error.error_code() == grpc::StatusCode::NOT_FOUND;
    const ExitCode code = ExitCodeOf(error);
    codes_.Add(code);
    if (refused_ + lost_ > kMostRefusals) return;
    console_.Report(code, Concat(Printable(submission.place), ": ", Explain(error)));
  }
  void Summarize(const std::string& batch) const {
    if (refused_ + lost_ > kMostRefusals) {
      console_.Note(Concat(refused_ + lost_ - kMostRefusals, " more; see fetchctl batch results ",
                           Printable(batch), " --failed"));
    }
    console_.Note(Concat(created_, " created, ", existing_, " existing, ", refused_, " refused"));
  }
  bool complete() const { return lost_ == 0; }
  bool final() const { return final_; }  ///< It is of no use to go on.
  ExitCode exit_code() const { return codes_.Combined(); }

 private:
  const Console& console_;
  ExitCodes codes_;
  std::size_t created_ = 0, existing_ = 0, refused_ = 0, lost_ = 0;
  bool final_ = false;
};

void NoteHowToGoOn(const Console& console, const CreateOptions& options, const std::string& name) {
  // Not a summary: said even with -q.
  console.Report(ExitCode::kDone,
                 Concat("the batch is not complete; go on with the same manifest and flags:\n"
                        "  fetchctl batch create --resume ",
                        Printable(name), " -i ", Printable(options.manifest)));
}

ExitCode SealAndWait(Session& session, const CreateOptions& options, const Upload& upload,
                     v1::Batch batch) {
  if (const grpc::Status sealed = SealBatch(session, batch.name(), batch); !sealed.ok()) {
    NoteHowToGoOn(session.console, options, batch.name());
    return session.Report(sealed);
  }
  if (options.wait) {
    return WaitForBatch(session, batch.name(), options.format, options.wait_timeout);
  }
  BatchPrinter(session.console, options.format, std::chrono::system_clock::now()).Print(batch);
  return upload.exit_code();
}

ExitCode RunCreate(const CreateOptions& options, const Getenv& getenv, Session& session) {
  auto flags = ReadFetchFlags(options.fetch, getenv);
  if (!flags.ok()) return session.Report(ToGrpc(flags.status()));
  auto manifest = Manifest::ReadChecked(options.manifest, options.manifest_format, session.console);
  if (!manifest.ok()) return session.Report(ToGrpc(manifest.status()));
  v1::Batch batch;
  const grpc::Status made = options.resume.empty()
                                ? CreateBatch(session, options, batch)
                                : GetBatch(session, BatchName(options.resume), batch);
  if (!made.ok()) return session.Report(made);
  session.console.Note(batch.name());
  Entries entries(options, batch.name(), *std::move(flags), *std::move(manifest));
  Upload upload(session.console);
  Submitter submitter(
      session, [&entries] { return entries.Next(); },
      [&upload](const Submission& submission, const v1::CreateJobsResponse& answer) {
        upload.Add(submission, answer);
      });
  const grpc::Status sent = submitter.Run();
  upload.Summarize(batch.name());
  if (sent.ok() && upload.complete())
    return SealAndWait(session, options, upload, std::move(batch));
  if (!upload.final()) NoteHowToGoOn(session.console, options, batch.name());
  return sent.ok() ? upload.exit_code() : session.Report(sent);
}

}  // namespace

void AddBatchCreate(CommandLine& line, CLI::App* batch) {
  CLI::App* app = BatchSubcommand(batch, "create", "Make a batch of a manifest",
                                  Concat(kCreateExamples, kManifestHelp));
  const auto options = std::make_shared<CreateOptions>();
  AddManifest(app, options->manifest, options->manifest_format)->required();
  app->add_option("--title", options->title, "For people")->type_name("TEXT");
  app->add_option("--request-id", options->request_id,
                  "The same id and flags again answer the batch that is there")
      ->type_name("ID");
  CLI::Option* resume =
      app->add_option("--resume", options->resume, "Go on with this batch, cut off before")
          ->type_name("BATCH");
  AddJobFlags(app, options->job);
  for (const char* const name : {"--title", "--request-id", "--to", "--overwrite", "--label",
                                 "--tenant", "--priority", "--deadline"}) {
    resume->excludes(name);
  }
  AddFetchFlags(app, options->fetch);
  app->add_flag("--wait", options->wait, "Wait until the batch has ended");
  AddDuration(app, "--wait-timeout", options->wait_timeout, "Wait no longer. Default: no limit")
      ->needs("--wait");
  AddOutput(app, options->format, "table|wide|json|name");
  line.commands.push_back(
      {app,
       [options, &line](Session& session) { return RunCreate(*options, line.getenv, session); },
       {}});
}

}  // namespace fetchd::cli
