// get: one body straight through the service.
#include "base/strings.h"
#include "base/url.h"
#include "cli/command_line.h"
#include "cli/transfer.h"

namespace fetchd::cli {
namespace {

struct GetOptions {
  std::string url, output, user, password_file, bearer_file;
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::string> digests;
  std::optional<Milliseconds> timeout;
  std::optional<std::uint64_t> max_bytes;
  std::string tls_profile, proxy;
  bool keep_going = false;
};

constexpr char kExamples[] =
    "  fetchctl get https://example.org/a.tar.gz            to ./a.tar.gz on a terminal\n"
    "  fetchctl get https://example.org/a.tar.gz | tar xz   to standard output in a pipe\n"
    "  fetchctl get URL -o a.iso --continue --sha256 HEX    goes on with a.iso.part\n"
    "The file appears only when it is whole. Give --sha256 with --continue: the bytes of an\n"
    "earlier run may be of an older version.";

std::string HeaderValue(const v1::FetchResponse::Head& head, std::string_view name) {
  for (const v1::Header& header : head.headers()) {
    if (EqualsIgnoreCase(header.name(), name)) return header.value();
  }
  return "";
}

class FetchStream final : public BodyStream {
 public:
  FetchStream(Session& session, std::optional<Milliseconds> timeout, v1::FetchRequest request)
      : call_(session.connection.Streaming(session.interrupt, timeout)),
        reader_(session.connection.fetch().Fetch(call_.context(), request)) {}

  bool Read(Chunk& chunk) override {
    if (!reader_->Read(&response_)) return false;
    chunk = {};
    switch (response_.part_case()) {
      case v1::FetchResponse::kHead:
        if (response_.head().has_total_bytes()) total_ = response_.head().total_bytes();
        version_ = Concat(HeaderValue(response_.head(), "etag"), "\n",
                          HeaderValue(response_.head(), "last-modified"));
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

 private:
  Connection::Call call_;
  std::unique_ptr<grpc::ClientReaderInterface<v1::FetchResponse>> reader_;
  v1::FetchResponse response_;
  std::optional<std::uint64_t> total_;
  std::string version_;
  bool ended_ = false;
};

absl::Status AddCredentials(const GetOptions& options, const Getenv& getenv, v1::FetchSpec& spec) {
  if (!options.user.empty()) {
    Secret password(getenv("FETCHCTL_PASSWORD").value_or(""));
    if (!options.password_file.empty()) {
      ASSIGN_OR_RETURN(password, ReadSecret(options.password_file));
    }
    if (password.empty()) {
      return absl::InvalidArgumentError(
          "--user needs a password: in FETCHCTL_PASSWORD or with --password-file");
    }
    auto* basic = spec.mutable_credentials()->mutable_basic();
    basic->set_username(options.user);
    basic->set_password(password.Reveal());
  }
  if (!options.bearer_file.empty()) {
    ASSIGN_OR_RETURN(const Secret bearer, ReadSecret(options.bearer_file));
    spec.mutable_credentials()->set_bearer_token(bearer.Reveal());
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::FetchRequest> MakeRequest(const GetOptions& options, const Getenv& getenv) {
  v1::FetchRequest request;
  v1::FetchSpec& spec = *request.mutable_spec();
  spec.add_urls(options.url);
  for (const auto& [name, value] : options.headers) {
    v1::Header* header = spec.add_headers();
    header->set_name(name);
    header->set_value(value);
  }
  for (const std::string& digest : options.digests) spec.add_digests(digest);
  if (options.max_bytes) spec.set_max_bytes(*options.max_bytes);
  spec.set_tls_profile(options.tls_profile);
  spec.set_proxy(options.proxy);
  RETURN_IF_ERROR(AddCredentials(options, getenv, spec));
  return request;
}

/// Without -o: standard output, unless that is a terminal; then the URL's last segment, as curl -O.
absl::StatusOr<BodyFile> OpenOutput(const GetOptions& options, const Console& console) {
  if (options.output == "-" || (options.output.empty() && !console.out_is_terminal)) {
    return BodyFile::ForDescriptor(console.body_fd);
  }
  if (!options.output.empty()) return BodyFile::Open(options.output, options.keep_going);
  ASSIGN_OR_RETURN(const Url url, Url::Parse(options.url));
  return BodyFile::Open(url.basename(), options.keep_going);
}

ExitCode RunGet(const GetOptions& options, const Getenv& getenv, Session& session) {
  const auto request = MakeRequest(options, getenv);
  if (!request.ok()) return session.Report(ToGrpc(request.status()));
  auto file = OpenOutput(options, session.console);
  if (!file.ok()) return session.Report(ToGrpc(file.status()));
  const auto deadline =
      std::chrono::steady_clock::now() + options.timeout.value_or(Milliseconds(0));
  const auto open = [&](std::uint64_t offset) -> std::unique_ptr<BodyStream> {
    v1::FetchRequest from_offset = *request;
    from_offset.set_offset(offset);
    std::optional<Milliseconds> left;
    if (options.timeout) {
      left = std::chrono::ceil<Milliseconds>(deadline - std::chrono::steady_clock::now());
    }
    return std::make_unique<FetchStream>(session, left, std::move(from_offset));
  };
  const grpc::Status status =
      Transfer(session, open, *file, {.digests = options.digests, .label = options.url});
  return status.ok() ? ExitCode::kDone : session.Report(status);
}

}  // namespace

void AddGet(CommandLine& line) {
  CLI::App* app = line.Subcommand("get", "Fetch a URL to a file or to standard output", kExamples);
  const auto options = std::make_shared<GetOptions>();
  app->add_option("url", options->url, "What to fetch")->required()->type_name("URL");
  app->add_option("-o,--output", options->output, "File; - is standard output")->type_name("FILE");
  app->add_flag("--continue", options->keep_going,
                "Keep FILE.part on failure and go on with one that is there");
  AddPairs(app, "--header", ':', options->headers, "Request header; many times");
  app->add_option("--user", options->user, "Basic authentication; password in FETCHCTL_PASSWORD")
      ->type_name("NAME");
  app->add_option("--password-file", options->password_file, "File with the password for --user")
      ->type_name("FILE");
  app->add_option("--bearer-file", options->bearer_file, "File with a bearer token for the origin")
      ->type_name("FILE")
      ->excludes("--user");
  AddDigests(app, options->digests);
  AddDuration(app, "--timeout", options->timeout, "For the whole fetch. Default: none");
  AddSize(app, "--max-bytes", options->max_bytes, "Refuse a longer body. Default: the service's");
  app->add_option("--tls-profile", options->tls_profile, "Trust profile of the service")
      ->type_name("NAME");
  app->add_option("--proxy", options->proxy, "Proxy of the service to go through, or \"direct\"")
      ->type_name("NAME");
  line.commands.push_back(
      {app,
       [options, &line](Session& session) { return RunGet(*options, line.getenv, session); },
       {}});
}

}  // namespace fetchd::cli
