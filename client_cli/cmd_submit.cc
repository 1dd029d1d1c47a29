// submit: jobs from arguments and manifests, and waiting for them.
#include <ostream>
#include <set>

#include "base/strings.h"
#include "cli/fetch_flags.h"
#include "cli/job_flags.h"
#include "cli/manifest.h"
#include "cli/submission.h"
#include "cli/values.h"
#include "cli/wait.h"

namespace fetchd::cli {
namespace {

struct SubmitOptions {
  std::vector<std::string> urls, digests;
  std::string manifest, request_id;
  ManifestFormat manifest_format = ManifestFormat::kAuto;
  FetchFlags fetch;
  JobFlags job;
  std::optional<std::uint64_t> size;
  bool wait = false;
  std::optional<Milliseconds> wait_timeout;
  OutputFormat format = OutputFormat::kTable;
};

constexpr char kSubmitExamples[] =
    "  fetchctl submit https://example.org/a.iso --to file:isos/a.iso --wait\n"
    "  fetchctl submit -i list.txt --label batch=7 -o name\n";

/// What the flags say, where the job itself does not.
void ApplyFlags(const SubmitOptions& options, const v1::FetchSpec& flags,
                v1::CreateJobRequest& request) {
  v1::Job& job = *request.mutable_job();
  v1::FetchSpec& spec = *job.mutable_spec();
  FillInDestinations(options.job, job);
  FillInObject(options.job, job);
  if (job.overwrite() == v1::Job::OVERWRITE_UNSPECIFIED) job.set_overwrite(options.job.overwrite);
  if (job.priority() == 0 && options.job.priority) job.set_priority(*options.job.priority);
  for (const auto& [key, value] : options.job.labels) job.mutable_labels()->insert({key, value});
  if (job.tenant().empty()) job.set_tenant(options.job.tenant);
  FillIn(flags, spec);
  if (spec.digests().empty()) {
    for (const std::string& digest : options.digests) spec.add_digests(digest);
  }
  if (options.size && !spec.has_expected_size()) spec.set_expected_size(*options.size);
  if (!options.request_id.empty()) request.set_request_id(options.request_id);
  FillInAttempts(options.job, spec);
}

/// Jobs of the arguments, then of the manifest.
class Source {
 public:
  Source(const SubmitOptions& options, v1::FetchSpec flags, std::optional<Manifest> manifest)
      : options_(options),
        flags_(std::move(flags)),
        manifest_(std::move(manifest)),
        deadline_(DeadlineOf(options.job)) {}

  std::optional<Submission> Next() {
    Submission submission;
    if (next_url_ < options_.urls.size()) {
      const std::string& url = options_.urls[next_url_++];
      submission.place = ShownUrl(url);
      submission.request.mutable_job()->mutable_spec()->add_urls(url);
    } else {
      auto entry = manifest_ ? manifest_->Next() : std::nullopt;
      if (!entry) return std::nullopt;
      submission = {std::move(entry->request), std::move(entry->place)};
    }
    ApplyFlags(options_, flags_, submission.request);
    if (deadline_) *submission.request.mutable_job()->mutable_deadline() = *deadline_;
    return submission;
  }

 private:
  const SubmitOptions& options_;
  const v1::FetchSpec flags_;
  std::optional<Manifest> manifest_;
  std::optional<google::protobuf::Timestamp> deadline_;
  std::size_t next_url_ = 0;
};

/// Answers as they come in: counts, lines, names to wait for.
class Outcomes {
 public:
  Outcomes(Console& console, const SubmitOptions& options)
      : console_(console),
        prints_(!options.wait),
        printer_(console, options.format, JobPrinter::Columns::kSubmitted,
                 std::chrono::system_clock::now()) {}

  void Add(const Submission& submission, const v1::CreateJobsResponse& answer) {
    if (answer.has_error()) {
      ++refused_;
      const grpc::Status error = ToGrpc(answer.error());
      codes_.Add(console_.Report(ExitCodeOf(error),
                                 Concat(Printable(submission.place), ": ", Explain(error))));
      return;
    }
    ++(answer.created() ? created_ : existing_);
    // A job that was there before may be named twice; it is waited for once.
    if (seen_.insert(answer.job().name()).second) names_.push_back(answer.job().name());
    if (prints_) printer_.Print(answer.job());
  }
  void Summarize() const {
    console_.out << std::flush;
    if (created_ + existing_ + refused_ == 0) return;
    console_.Note(Concat(created_, " created, ", existing_, " existing, ", refused_, " refused"));
  }
  const std::vector<std::string>& names() const { return names_; }
  ExitCode exit_code() const { return codes_.Combined(); }

 private:
  Console& console_;
  bool prints_;
  JobPrinter printer_;
  ExitCodes codes_;
  std::vector<std::string> names_;
  std::set<std::string> seen_;
  std::size_t created_ = 0, existing_ = 0, refused_ = 0;
};

absl::StatusOr<std::optional<Manifest>> ReadManifest(const SubmitOptions& options,
                                                     const Console& console) {
  if (options.manifest.empty()) return std::nullopt;
  ASSIGN_OR_RETURN(Manifest manifest,
                   Manifest::ReadChecked(options.manifest, options.manifest_format, console));
  return std::optional(std::move(manifest));
}

absl::Status CheckUse(const SubmitOptions& options) {
  if (options.urls.empty() && options.manifest.empty()) {
    return absl::InvalidArgumentError("nothing to submit: give URLs or -i FILE");
  }
  const bool one_job = options.urls.size() == 1 && options.manifest.empty();
  if (one_job) return absl::OkStatus();
  if (!options.request_id.empty()) {
    return absl::InvalidArgumentError("--request-id is for one job; use a manifest");
  }
  if (!options.digests.empty() || options.size) {
    return absl::InvalidArgumentError(
        "--sha256, --checksum and --size are for one job; use a manifest");
  }
  return absl::OkStatus();
}

ExitCode RunSubmit(const SubmitOptions& options, const Getenv& getenv, Session& session) {
  if (const absl::Status use = CheckUse(options); !use.ok()) return session.Report(ToGrpc(use));
  auto flags = ReadFetchFlags(options.fetch, getenv);
  if (!flags.ok()) return session.Report(ToGrpc(flags.status()));
  auto manifest = ReadManifest(options, session.console);
  if (!manifest.ok()) return session.Report(ToGrpc(manifest.status()));
  Source source(options, *std::move(flags), *std::move(manifest));
  Outcomes outcomes(session.console, options);
  Submitter submitter(
      session, [&source] { return source.Next(); },
      [&outcomes](const Submission& submission, const v1::CreateJobsResponse& answer) {
        outcomes.Add(submission, answer);
      });
  const grpc::Status status = submitter.Run();
  outcomes.Summarize();
  if (!status.ok()) {
    if (options.wait) NoteHowToWatch(session.console, outcomes.names());
    return session.Report(status);
  }
  ExitCodes codes;
  codes.Add(outcomes.exit_code());
  if (options.wait && !outcomes.names().empty()) {
    codes.Add(WaitAndPrint(session, outcomes.names(), options.format, options.wait_timeout));
  }
  return session.interrupt.triggered() ? ExitCode::kInterrupted : codes.Combined();
}

}  // namespace

void AddSubmit(CommandLine& line) {
  CLI::App* app = line.Subcommand(
      "submit", "Submit jobs; they go on without you",
      Concat(kSubmitExamples, kManifestHelp, "Ctrl-C leaves submitted jobs running."));
  const auto options = std::make_shared<SubmitOptions>();
  app->add_option("urls", options->urls, "One job each")->type_name("URL");
  AddManifest(app, options->manifest, options->manifest_format);
  AddJobFlags(app, options->job);
  AddDigests(app, options->digests);
  AddSize(app, "--size", options->size, "The body's exact size");
  app->add_option("--request-id", options->request_id,
                  "The same id and job again answer the job that is there")
      ->type_name("ID");
  AddFetchFlags(app, options->fetch);
  app->add_flag("--wait", options->wait, "Wait until every job has ended");
  AddDuration(app, "--wait-timeout", options->wait_timeout, "Wait no longer. Default: no limit")
      ->needs("--wait");
  AddOutput(app, options->format, "table|wide|json|name");
  line.commands.push_back(
      {app,
       [options, &line](Session& session) { return RunSubmit(*options, line.getenv, session); },
       {}});
}

}  // namespace fetchd::cli
