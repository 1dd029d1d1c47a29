#include "objstore/remote_credentials.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "base/url_text.h"
#include "objstore/s3_answers.h"

namespace fetchd::objstore {
namespace {

constexpr std::size_t kMostMetadataAnswer = 64 * 1024;

struct Question {
  std::string what;  ///< "the token service"
  http::Request request;
  http::Timeouts timeouts;
};

bool PassesLater(const Answer& answer) { return answer.status == 429 || answer.status >= 500; }

/// A success, or a status that says what the service said.
absl::StatusOr<Answer> Judge(const std::string& what, Answer answer) {
  if (answer.status >= 200 && answer.status < 300) return answer;
  const S3ErrorBody error = ReadError(answer.body).value_or(S3ErrorBody());
  std::string message = Concat(what, ": HTTP ", answer.status);
  if (!error.code.empty() && !HasControl(error.code + error.message)) {
    message += Concat(": ", error.code.substr(0, 100), ": ", error.message.substr(0, 300));
  }
  if (PassesLater(answer)) return absl::UnavailableError(message);
  if (answer.status == 404) return absl::NotFoundError(message);
  return absl::PermissionDeniedError(message);
}

/// With attempts. What a body lends outlives the call.
Task<absl::StatusOr<Answer>> AskService(const CredentialsServices& services, Question question) {
  const RetryPolicy policy(services.retry);
  for (int attempt = 1;; ++attempt) {
    http::Call call;
    call.timeouts = question.timeouts;
    auto answer = co_await Ask(services.client, question.request, call, kMostMetadataAnswer);
    const bool again = answer.ok() ? PassesLater(*answer) : MayPass(answer.status());
    const Failure failure{absl::UnknownError(""), Phase::kFirstByte, 0, {}, again};
    const auto delay =
        policy.Next(failure, attempt, services.clock.Now(), Deadline::Never(), services.uniform);
    if (!again || !delay) {
      if (!answer.ok()) co_return NoAnswer(answer.status(), question.what);
      co_return Judge(question.what, *std::move(answer));
    }
    co_await services.clock.SleepFor(*delay);
  }
}

std::string Form(std::string_view name, std::string_view value) {
  return Concat('&', name, '=', PercentEncode(value, UrlPart::kText));
}

std::string Trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) {
    text.pop_back();
  }
  return text;
}

/// What a link-local service would have sent at once.
http::Timeouts NearbyTimeouts() {
  http::Timeouts timeouts;
  timeouts.dial.connect = std::chrono::seconds(1);
  timeouts.first_byte = std::chrono::seconds(2);
  timeouts.read_idle = std::chrono::seconds(2);
  return timeouts;
}

absl::StatusOr<Url> StsEndpoint(const Environment& environment) {
  const auto region = environment("AWS_REGION");
  const std::string name = region ? *region : environment("AWS_DEFAULT_REGION").value_or("");
  if (name.empty()) return Url::Parse("https://sts.amazonaws.com/");
  const bool plain = std::ranges::all_of(
      name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
  if (!plain) return absl::InvalidArgumentError("AWS_REGION is not the name of a region");
  return Url::Parse(
      Concat("https://sts.", name, ".amazonaws.com", name.starts_with("cn-") ? ".cn/" : "/"));
}

/// Where a token may go without TLS: this machine, ECS, and EKS Pod Identity.
bool IsNearby(const Url& url) {
  constexpr std::string_view kServices[] = {"169.254.170.2", "169.254.170.23", "fd00:ec2::23"};
  if (url.host() == "localhost") return true;
  if (!url.address()) return false;
  return url.address()->is_loopback() ||
         std::ranges::find(kServices, url.host()) != std::end(kServices);
}

}  // namespace

absl::StatusOr<std::optional<WebIdentityCredentials::Config>> WebIdentityCredentials::From(
    const Environment& environment) {
  const auto file = environment("AWS_WEB_IDENTITY_TOKEN_FILE");
  const auto role = environment("AWS_ROLE_ARN");
  if (!file) return std::nullopt;
  if (!role) {
    return absl::InvalidArgumentError(
        "AWS_WEB_IDENTITY_TOKEN_FILE is set, and AWS_ROLE_ARN is not");
  }
  ASSIGN_OR_RETURN(Url endpoint, StsEndpoint(environment));
  return Config{*file, *role, environment("AWS_ROLE_SESSION_NAME").value_or("fetchd"),
                std::move(endpoint)};
}

Task<absl::StatusOr<AwsCredentials>> WebIdentityCredentials::Fetch() {
  auto token = co_await ReadSmallFile(services_.pool, config_.token_file);
  if (absl::IsNotFound(token.status())) {
    co_return absl::FailedPreconditionError(MessageOf(token.status()));
  }
  if (!token.ok()) co_return token.status();
  const std::string body =
      Concat("Action=AssumeRoleWithWebIdentity&Version=2011-06-15",
             Form("RoleArn", config_.role_arn), Form("RoleSessionName", config_.session_name),
             Form("WebIdentityToken", Trimmed(*std::move(token))));
  Question question{"the token service", http::Request(config_.endpoint), {}};
  question.request.method = "POST";
  question.request.headers = {{"Content-Type", "application/x-www-form-urlencoded"},
                              {"Accept", "text/xml"}};
  question.request.body = {std::as_bytes(std::span(body))};
  auto answer = co_await AskService(services_, std::move(question));
  if (absl::IsNotFound(answer.status())) {
    co_return absl::PermissionDeniedError(MessageOf(answer.status()));
  }
  if (!answer.ok()) co_return answer.status();
  co_return ReadStsCredentials(answer->body);
}

absl::StatusOr<std::optional<ContainerCredentials::Config>> ContainerCredentials::From(
    const Environment& environment) {
  const auto relative = environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const auto full = environment("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (!relative && !full) return std::nullopt;
  auto endpoint = Url::Parse(relative ? Concat("http://169.254.170.2", *relative) : *full);
  if (!endpoint.ok()) return WithPrefix(endpoint.status(), "AWS_CONTAINER_CREDENTIALS_*_URI");
  if (!endpoint->is_https() && !IsNearby(*endpoint)) {
    return absl::InvalidArgumentError(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI: over http only to this machine or to the addresses "
        "of ECS and EKS");
  }
  return Config{*std::move(endpoint),
                Secret(environment("AWS_CONTAINER_AUTHORIZATION_TOKEN").value_or("")),
                environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").value_or("")};
}

Task<absl::StatusOr<AwsCredentials>> ContainerCredentials::Fetch() {
  Secret token = config_.token;
  if (!config_.token_file.empty()) {
    auto text = co_await ReadSmallFile(services_.pool, config_.token_file);
    if (!text.ok()) co_return absl::FailedPreconditionError(MessageOf(text.status()));
    token = Secret(Trimmed(*std::move(text)));
  }
  Question question{"the container's credentials", http::Request(config_.endpoint),
                    NearbyTimeouts()};
  question.request.headers = {{"Accept", "application/json"}};
  if (!token.empty()) question.request.headers.push_back({"Authorization", token.Reveal()});
  const auto answer = co_await AskService(services_, std::move(question));
  if (absl::IsNotFound(answer.status())) {
    co_return absl::PermissionDeniedError(MessageOf(answer.status()));
  }
  if (!answer.ok()) co_return answer.status();
  co_return ReadMetadataCredentials(answer->body);
}

absl::StatusOr<std::optional<InstanceCredentials::Config>> InstanceCredentials::From(
    const Environment& environment) {
  if (EqualsIgnoreCase(environment("AWS_EC2_METADATA_DISABLED").value_or(""), "true")) {
    return std::nullopt;
  }
  auto endpoint = Url::Parse(
      environment("AWS_EC2_METADATA_SERVICE_ENDPOINT").value_or("http://169.254.169.254"));
  if (!endpoint.ok()) return WithPrefix(endpoint.status(), "AWS_EC2_METADATA_SERVICE_ENDPOINT");
  return Config{*std::move(endpoint)};
}

Task<absl::StatusOr<Answer>> InstanceCredentials::Read(std::string path, Secret token) {
  CO_ASSIGN_OR_RETURN(Url url, config_.endpoint.WithExactTarget(std::move(path)));
  Question question{"the instance's metadata", http::Request(std::move(url)), NearbyTimeouts()};
  if (token.empty()) {
    question.request.method = "PUT";
    question.request.headers = {{"X-aws-ec2-metadata-token-ttl-seconds", "300"}};
  } else {
    question.request.headers = {{"X-aws-ec2-metadata-token", token.Reveal()}};
  }
  co_return co_await AskService(services_, std::move(question));
}

Task<absl::StatusOr<AwsCredentials>> InstanceCredentials::Fetch() {
  constexpr char kRoles[] = "/latest/meta-data/iam/security-credentials/";
  const auto session = co_await Read("/latest/api/token", Secret());
  // Nothing is there, or nothing that is for us.
  if (absl::IsUnavailable(session.status()) || absl::IsPermissionDenied(session.status())) {
    co_return absl::NotFoundError(MessageOf(session.status()));
  }
  if (!session.ok()) co_return session.status();
  const Secret token(Trimmed(session->body));
  if (token.empty()) co_return absl::DataLossError("the instance's metadata: an empty token");
  CO_ASSIGN_OR_RETURN(const Answer roles, co_await Read(kRoles, token));
  const std::string role = Trimmed(roles.body.substr(0, roles.body.find('\n')));
  if (role.empty()) co_return absl::NotFoundError("the instance has no role");
  CO_ASSIGN_OR_RETURN(const Answer keys,
                      co_await Read(kRoles + PercentEncode(role, UrlPart::kText), token));
  co_return ReadMetadataCredentials(keys.body);
}

}  // namespace fetchd::objstore
