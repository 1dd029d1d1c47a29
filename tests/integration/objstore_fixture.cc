#include "integration/objstore_fixture.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/http_date.h"
#include "base/strings.h"
#include "objstore/answer.h"
#include "objstore/azure_sign.h"
#include "support/azurite.h"

namespace fetchd::testing {

using objstore::ObjectName;

StoreShard::StoreShard(const std::string& ca_file, const Mishaps& mishaps)
    : stack_({.allow = {"127.0.0.1/32", "::1/128"}, .ca_file = ca_file, .shards = 1}),
      clock_(mishaps.skew),
      client_(stack_.client().ForShard(0), mishaps.change, mishaps.lose_answer_to) {}

http::Request StoreShard::RequestToMake(const Url& bucket) {
  http::Request request = RequestFor(bucket.ToString());
  request.method = "PUT";
  return request;
}

void StoreShard::Make(http::Request request) {
  const Fetched made = stack_.Send(std::move(request), {}, {});
  FETCHD_CHECK(made.http_status == 200 || made.http_status == 201);
}

Task<absl::StatusOr<std::string>> StoreShard::ReadOnShard(ObjectName object, std::uint64_t offset,
                                                          std::string if_match) {
  auto response = co_await AnyStore().Get(std::move(object), offset, std::move(if_match));
  if (!response.ok()) co_return response.status();
  auto answer = co_await objstore::ReadAnswer(*std::move(response), std::size_t{1} << 30);
  if (!answer.ok()) co_return answer.status();
  co_return std::move(answer->body);
}

absl::StatusOr<std::string> StoreShard::Read(ObjectName object, std::uint64_t offset,
                                             std::string if_match) {
  return Run(ReadOnShard(std::move(object), offset, std::move(if_match)));
}

objstore::S3Config StoreSession::ConfigOf(const StoreOptions& options) {
  objstore::S3Config config = options.config;
  config.name = "test";
  config.endpoint = *Url::Parse(options.endpoint);
  if (!options.ca_file.empty()) config.tls_profile = "test";
  config.timing.retry.base_delay = std::chrono::milliseconds(1);
  return config;
}

StoreSession::StoreSession(StoreOptions options)
    : StoreShard(options.ca_file, options.mishaps),
      config_(ConfigOf(options)),
      key_{options.access_key, Secret(options.secret_key), Secret(options.session_token)},
      credentials_({key_.access_key_id, key_.secret_access_key, key_.session_token, {}}),
      store_(config_, client_, credentials_, cooldown_, clock_, [] { return 0.5; }) {}

void StoreSession::MakeBucket(const std::string& bucket) {
  const Url url = *objstore::UrlFor(config_, config_.region, bucket, "", "");
  http::Request request = RequestToMake(url);
  const std::string hash = *HashHex(HashAlgorithm::kSha256, "");
  request.headers = {{"x-amz-content-sha256", hash}};
  objstore::SignableRequest signable{"PUT", std::string(url.path()), "", request.headers, hash};
  signable.headers.push_back({"host", url.host_header()});
  const objstore::SigV4 sigv4({config_.region, "s3"}, RealClock().WallNow());
  for (http::Header& header : sigv4.SignHeaders(signable, key_)) {
    request.headers.push_back(std::move(header));
  }
  Make(std::move(request));
}

objstore::AzureConfig AzureSession::ConfigOf(const AzureOptions& options) {
  objstore::AzureConfig config;
  config.name = "test";
  config.account = Azurite::kAccount;
  config.endpoint = *Url::Parse(options.endpoint);
  if (!options.ca_file.empty()) config.tls_profile = "test";
  config.content_md5 = options.content_md5;
  config.timing.retry.base_delay = std::chrono::milliseconds(1);
  return config;
}

AzureSession::AzureSession(AzureOptions options)
    : StoreShard(options.ca_file, options.mishaps),
      config_(ConfigOf(options)),
      access_(options.access),
      store_(config_, access_, client_, cooldown_, clock_, [] { return 0.5; }) {}

void AzureSession::MakeContainer(const std::string& container) {
  const Url url =
      *Url::Parse(Concat(config_.endpoint->ToString(), '/', container, "?restype=container"));
  http::Request request = RequestToMake(url);
  request.headers = {{"x-ms-version", objstore::kAzureVersion},
                     {"x-ms-date", FormatHttpDate(RealClock().WallNow())}};
  const objstore::SharedKeyRequest signable{"PUT", std::string(url.path()),
                                            std::string(url.query()), request.headers};
  request.headers.push_back({"Authorization", objstore::SharedKeyAuthorization(
                                                  config_.account, access_.account_key, signable)});
  Make(std::move(request));
}

void BecomeAnother(http::Request& request) {
  static const std::string other = "wrong";
  request.body = Lend(other);
}

std::string CodeOf(const absl::Status& status) {
  const auto reason = GetReason(status);
  if (!reason) return "";
  for (const auto& [name, value] : reason->metadata) {
    if (name == "code") return value;
  }
  return "";
}

std::vector<std::string> AwkwardKeys() {
  return {"plain",        "a//b",
          "../up",        "dot/./seg",
          "dot/../seg",   "\xc3\xbc/\xe2\x82\xac\xf0\x9f\x98\x80",
          "+ %",          "?&=#",
          "trail/",       "%2e%2e/%41",
          "a'(b)*!~",     "sp  ace ",
          "q\"<>`{}|^[]", "..",
          "back\\slash",  std::string(1024, 'k')};
}

http::BorrowedBytes Lend(const std::string& text) { return {std::as_bytes(std::span(text))}; }

}  // namespace fetchd::testing
