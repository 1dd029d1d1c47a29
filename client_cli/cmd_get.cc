// get: one body straight through the service.
#include <fstream>

#include "base/strings.h"
#include "base/url.h"
#include "cli/fetch_flags.h"
#include "cli/transfer.h"

namespace fetchd::cli {
namespace {

struct GetOptions {
  std::string url, output, etag_save;
  FetchFlags fetch;
  std::vector<std::string> digests;
  std::optional<Milliseconds> timeout;
  std::optional<std::uint64_t> max_bytes;
  bool keep_going = false;
};

constexpr int kNotModified = 304;

constexpr char kGetExamples[] =
    "  fetchctl get https://example.org/a.tar.gz            to ./a.tar.gz on a terminal\n"
    "  fetchctl get https://example.org/a.tar.gz | tar xz   to standard output in a pipe\n"
    "  fetchctl get URL -o a.iso --continue --sha256 HEX    goes on with a.iso.part\n"
    "  fetchctl get URL -o a.json --compressed --etag-compare a.etag --etag-save a.etag\n"
    "The file appears only when it is whole, and stays as it is when a condition does not hold.\n"
    "Give --sha256 with --continue: the bytes of an earlier run may be of an older version.";

std::string HeaderValue(const v1::FetchResponse::Head& head, std::string_view name) {
  for (const v1::Header& header : head.headers()) {
    if (EqualsIgnoreCase(header.name(), name)) return header.value();
  }
  return "";
}

class FetchStream final : public BodyStream {
 public:
  /// `head` becomes that of the response.
  FetchStream(Session& session, std::optional<Milliseconds> timeout, v1::FetchRequest request,
              v1::FetchResponse::Head& head)
      : head_(head),
        call_(session.connection.Streaming(session.interrupt, timeout)),
        reader_(session.connection.fetch().Fetch(call_.context(), request)) {}

  bool Read(Chunk& chunk) override {
    if (!reader_->Read(&response_)) return false;
    chunk = {};
    switch (response_.part_case()) {
      case v1::FetchResponse::kHead:
        head_ = response_.head();
        if (head_.has_total_bytes()) total_ = head_.total_bytes();
        version_ = Concat(HeaderValue(head_, "etag"), "\n", HeaderValue(head_, "last-modified"));
        break;
      case v1::FetchResponse::kChunk:
        chunk = {response_.chunk().offset(), response_.chunk().data()};
        break;
      case v1::FetchResponse::kEnd:
        total_ = response_.end().size_bytes();
        ended_ = true;
        break;
      case v1::FetchResponse::PART_NOT_SET:
        break;
    }
    return true;
  }
  grpc::Status Finish() override {
    const grpc::Status status = reader_->Finish();
    if (!status.ok() || ended_) return status;
    return {grpc::StatusCode::DATA_LOSS, "the stream ended before the body did"};
  }
  std::optional<std::uint64_t> total_bytes() const override { return total_; }
  std::string version() const override { return version_; }
  bool has_body() const override { return head_.http_status() != kNotModified; }

 private:
  v1::FetchResponse::Head& head_;
  Connection::Call call_;
  std::unique_ptr<grpc::ClientReaderInterface<v1::FetchResponse>> reader_;
  v1::FetchResponse response_;
  std::optional<std::uint64_t> total_;
  std::string version_;
  bool ended_ = false;
};

absl::StatusOr<v1::FetchRequest> MakeRequest(const GetOptions& options, const Getenv& getenv) {
  v1::FetchRequest request;
  ASSIGN_OR_RETURN(*request.mutable_spec(), ReadFetchFlags(options.fetch, getenv));
  v1::FetchSpec& spec = *request.mutable_spec();
  spec.add_urls(options.url);
  for (const std::string& digest : options.digests) spec.add_digests(digest);
  if (options.max_bytes) spec.set_max_bytes(*options.max_bytes);
  return request;
}

/// Without -o: standard output, unless that is a terminal; then the URL's last segment, as curl -O.
absl::StatusOr<BodyFile> OpenOutput(const GetOptions& options, const Console& console) {
  if (options.output == "-" || (options.output.empty() && !console.out_is_terminal)) {
    return BodyFile::ForDescriptor(console.body_fd);
  }
  if (!options.output.empty()) return BodyFile::Open(options.output, options.keep_going);
  ASSIGN_OR_RETURN(const Url url, Url::ParseSource(options.url));
  return BodyFile::Open(url.basename(), options.keep_going);
}

absl::Status SaveEtag(const std::string& path, const v1::FetchResponse::Head& head) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << HeaderValue(head, "etag") << '\n';
  file.close();
  if (file) return absl::OkStatus();
  return absl::InternalError(Concat("cannot write ", path));
}

/// What is left to do when the body is here, or nothing was to be fetched.
absl::Status Conclude(const GetOptions& options, const v1::FetchResponse::Head& head,
                      const Console& console) {
  if (head.http_status() == kNotModified) {
    console.Note("not modified: nothing was fetched");
    return absl::OkStatus();
  }
  return options.etag_save.empty() ? absl::OkStatus() : SaveEtag(options.etag_save, head);
}

ExitCode RunGet(const GetOptions& options, const Getenv& getenv, Session& session) {
  const auto request = MakeRequest(options, getenv);
  if (!request.ok()) return session.Report(ToGrpc(request.status()));
  auto file = OpenOutput(options, session.console);
  if (!file.ok()) return session.Report(ToGrpc(file.status()));
  const auto deadline =
      std::chrono::steady_clock::now() + options.timeout.value_or(Milliseconds(0));
  v1::FetchResponse::Head head;
  const auto open = [&](std::uint64_t offset) -> std::unique_ptr<BodyStream> {
    v1::FetchRequest from_offset = *request;
    from_offset.set_offset(offset);
    std::optional<Milliseconds> left;
    if (options.timeout) {
      left = std::chrono::ceil<Milliseconds>(deadline - std::chrono::steady_clock::now());
    }
    return std::make_unique<FetchStream>(session, left, std::move(from_offset), head);
  };
  grpc::Status status = Transfer(session, open, *file,
                                 {.digests = options.digests,
                                  .label = ShownUrl(options.url),
                                  .resumable = !options.fetch.compressed});
  if (status.ok()) status = ToGrpc(Conclude(options, head, session.console));
  return status.ok() ? ExitCode::kDone : session.Report(status);
}

}  // namespace

void AddGet(CommandLine& line) {
  CLI::App* app =
      line.Subcommand("get", "Fetch a URL to a file or to standard output", kGetExamples);
  const auto options = std::make_shared<GetOptions>();
  app->add_option("url", options->url, "What to fetch")->required()->type_name("URL");
  app->add_option("-o,--output", options->output, "File; - is standard output")->type_name("FILE");
  AddFetchFlags(app, options->fetch);
  app->add_flag("--continue", options->keep_going,
                "Keep FILE.part on failure and go on with one that is there")
      ->excludes("--compressed");
  app->add_option("--etag-save", options->etag_save, "Write the body's ETag to a file")
      ->type_name("FILE");
  AddDigests(app, options->digests);
  AddDuration(app, "--timeout", options->timeout, "For the whole fetch. Default: none");
  AddSize(app, "--max-bytes", options->max_bytes, "Refuse a longer body. Default: the service's");
  line.commands.push_back(
      {app,
       [options, &line](Session& session) { return RunGet(*options, line.getenv, session); },
       {}});
}

}  // namespace fetchd::cli
