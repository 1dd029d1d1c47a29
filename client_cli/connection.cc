#include "cli/connection.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>

#include "base/strings.h"

namespace fetchd::cli {
namespace {

/// A message is a chunk of up to 1 MiB and its frame, or a page of 1,000 jobs with their headers
/// and results.
constexpr int kMaxReceiveBytes = 64 << 20;

std::shared_ptr<grpc::ChannelCredentials> CredentialsFor(const Endpoint& endpoint) {
  if (!endpoint.tls) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = endpoint.ca_pem;
  options.pem_cert_chain = endpoint.cert_pem;
  options.pem_private_key = endpoint.key_pem;
  return grpc::SslCredentials(options);
}

std::shared_ptr<grpc::Channel> MakeChannel(const Endpoint& endpoint) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  arguments.SetUserAgentPrefix("fetchctl/" FETCHCTL_VERSION);
  // Someone waits at the keyboard: come back soon after a restart.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2'000);
  // A server that vanished without a word is noticed. More pings than one a minute would pass for
  // abuse.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  // Streams of big chunks: a window that one round trip does not empty.
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 4 << 20);
  if (endpoint.tls && !endpoint.server_name.empty()) {
    arguments.SetSslTargetNameOverride(endpoint.server_name);
  }
  return grpc::CreateCustomChannel(endpoint.server, CredentialsFor(endpoint), arguments);
}

}  // namespace

Connection::Connection(Endpoint endpoint, std::chrono::milliseconds request_timeout)
    : endpoint_(std::move(endpoint)),
      request_timeout_(request_timeout),
      channel_(MakeChannel(endpoint_)),
      fetch_(v1::FetchService::NewStub(channel_)),
      admin_(v1::AdminService::NewStub(channel_)),
      batch_(v1::BatchService::NewStub(channel_)),
      health_(grpc::health::v1::Health::NewStub(channel_)) {}

Connection::Call::Call(const Connection& connection, Interrupt& interrupt,
                       std::optional<std::chrono::milliseconds> timeout)
    : scope_(interrupt, context_) {
  if (timeout) context_.set_deadline(std::chrono::system_clock::now() + *timeout);
  if (!connection.endpoint_.token.empty()) {
    context_.AddMetadata("authorization", "Bearer " + connection.endpoint_.token.Reveal());
  }
}

ExitCode Session::Report(const grpc::Status& status) const {
  if (interrupt.triggered()) return console.Report(ExitCode::kInterrupted, "interrupted");
  if (ExitCodeOf(status) == ExitCode::kUnreachable && DetailsOf(status).reason.empty()) {
    return console.Report(ExitCode::kUnreachable,
                          Concat("cannot reach ", connection.server(), ": ", Explain(status)));
  }
  return console.Report(status);
}

bool Backoff::Wait(Interrupt& interrupt) {
  std::uniform_int_distribution<std::int64_t> spread(ceiling_.count() / 2, ceiling_.count());
  const std::chrono::milliseconds delay(spread(random_));
  ceiling_ = std::min(ceiling_ * 2, std::chrono::milliseconds(5'000));
  return !interrupt.WaitFor(delay);
}

std::string JobName(const std::string& text) {
  return text.starts_with("jobs/") ? text : "jobs/" + text;
}

}  // namespace fetchd::cli
