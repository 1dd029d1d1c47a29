// read: the body of a finished job.
#include "cli/command_line.h"
#include "cli/transfer.h"

namespace fetchd::cli {
namespace {

struct ReadOptions {
  std::string job, output;
  std::optional<std::uint64_t> offset;
  bool keep_going = false;
};

constexpr char kReadExamples[] =
    "  fetchctl read JOB -o a.iso\n"
    "  fetchctl read JOB --offset 1MiB | head -c 100";

class ReadStream final : public BodyStream {
 public:
  ReadStream(Session& session, const std::string& name, std::uint64_t skipped, std::uint64_t offset)
      : call_(session.connection.Streaming(session.interrupt)), skipped_(skipped) {
    v1::ReadBodyRequest request;
    request.set_name(name);
    request.set_offset(skipped + offset);
    reader_ = session.connection.fetch().ReadBody(call_.context(), request);
  }
  bool Read(Chunk& chunk) override {
    if (!reader_->Read(&response_)) return false;
    chunk = {response_.offset() - skipped_, response_.data()};
    return true;
  }
  grpc::Status Finish() override { return reader_->Finish(); }
  std::optional<std::uint64_t> total_bytes() const override { return std::nullopt; }
  std::string version() const override { return ""; }

 private:
  Connection::Call call_;
  std::uint64_t skipped_;  ///< Bytes of the body before the file's first.
  std::unique_ptr<grpc::ClientReaderInterface<v1::ReadBodyResponse>> reader_;
  v1::ReadBodyResponse response_;
};

ExitCode RunRead(const ReadOptions& options, Session& session) {
  const bool to_stdout = options.output.empty() || options.output == "-";
  absl::StatusOr<BodyFile> file =
      to_stdout ? absl::StatusOr<BodyFile>(BodyFile::ForDescriptor(session.console.body_fd))
                : BodyFile::Open(options.output, options.keep_going);
  if (!file.ok()) return session.Report(ToGrpc(file.status()));
  const std::string name = JobName(options.job);
  const auto open = [&](std::uint64_t offset) -> std::unique_ptr<BodyStream> {
    return std::make_unique<ReadStream>(session, name, options.offset.value_or(0), offset);
  };
  const grpc::Status status = Transfer(session, open, *file, {.label = name});
  return status.ok() ? ExitCode::kDone : session.Report(status);
}

}  // namespace

void AddRead(CommandLine& line) {
  CLI::App* app = line.Subcommand("read", "Read the body of a finished job", kReadExamples);
  const auto options = std::make_shared<ReadOptions>();
  app->add_option("job", options->job, "The job")->required()->type_name("JOB");
  app->add_option("-o,--output", options->output, "File. Default - is standard output")
      ->type_name("FILE");
  AddSize(app, "--offset", options->offset, "First byte wanted. Default 0");
  app->add_flag("--continue", options->keep_going,
                "Keep FILE.part on failure and go on with one that is there");
  line.commands.push_back(
      {app, [options](Session& session) { return RunRead(*options, session); }, {}});
}

}  // namespace fetchd::cli
