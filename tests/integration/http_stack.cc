#include "integration/http_stack.h"

#include <array>
#include <cstddef>
#include <future>
#include <map>
#include <utility>

#include "base/check.h"

namespace fetchd::testing {
namespace {

std::shared_ptr<const egress::Policy> MakePolicy(std::vector<std::string> allow) {
  egress::PolicyConfig config;
  config.allow = std::move(allow);
  auto policy = egress::Policy::Create(config);
  FETCHD_CHECK(policy.ok());
  return *std::move(policy);
}

std::shared_ptr<net::TlsContexts> MakeTls(const std::string& ca_file) {
  std::map<std::string, net::TlsProfile> profiles;
  if (!ca_file.empty()) profiles["test"].ca_file = ca_file;
  auto contexts = net::TlsContexts::Create(std::move(profiles));
  FETCHD_CHECK(contexts.ok());
  return *std::move(contexts);
}

}  // namespace

std::string Fetched::reason() const {
  const std::optional<Reason> reason = GetReason(status);
  return reason ? reason->reason : std::string();
}

http::Request RequestFor(std::string_view url) {
  auto parsed = Url::Parse(url);
  FETCHD_CHECK(parsed.ok());
  http::Request request(*std::move(parsed));
  if (request.url.is_https()) request.tls_profile = "test";
  return request;
}

HttpStack::HttpStack(HttpStackOptions options)
    : runtime_({.shards = options.shards, .blocking_threads = 4}),
      policy_(MakePolicy(std::move(options.allow))),
      client_(std::make_unique<http::SharedClient>(runtime_, clock_, options.client, policy_,
                                                   MakeTls(options.ca_file))) {}

HttpStack::~HttpStack() {
  client_->Close();
  client_.reset();
  runtime_.Stop();
}

void HttpStack::Pass(Duration duration) {
  runtime::RunBlocking(runtime_.shard(0).executor(), clock_.SleepFor(duration));
}

Task<Fetched> HttpStack::Exchange(http::Request request, http::Call call,
                                  http::RedirectConfig redirects) {
  Fetched fetched;
  call.records = &fetched.records;
  http::RedirectingClient client(client_->ForShard(client_->ShardFor(request.url.origin())),
                                 std::make_shared<egress::Subject>(policy_));
  auto response = co_await client.Send(std::move(request), call, redirects);
  if (!response.ok()) {
    fetched.status = response.status();
    co_return fetched;
  }
  fetched.http_status = response->head.status;
  fetched.url = response->url.ToString();
  std::array<std::byte, 16384> buffer;
  while (true) {
    const auto size = co_await response->body->Read(buffer);
    if (!size.ok()) {
      fetched.status = size.status();
      break;
    }
    if (*size == 0) break;
    fetched.body.append(reinterpret_cast<const char*>(buffer.data()), *size);
  }
  co_return fetched;
}

Fetched HttpStack::Send(http::Request request, http::Timeouts timeouts,
                        http::RedirectConfig redirects) {
  const std::size_t shard = client_->ShardFor(request.url.origin());
  http::Call call;
  call.timeouts = timeouts;
  return runtime::RunBlocking(runtime_.shard(shard).executor(),
                              Exchange(std::move(request), call, redirects));
}

Fetched HttpStack::Get(std::string_view url, http::Timeouts timeouts,
                       http::RedirectConfig redirects) {
  return Send(RequestFor(url), timeouts, redirects);
}

std::vector<Fetched> HttpStack::GetAll(const std::vector<std::string>& urls) {
  std::vector<std::future<Fetched>> pending;
  pending.reserve(urls.size());
  for (const std::string& url : urls) {
    pending.push_back(std::async(std::launch::async, [this, url] { return Get(url); }));
  }
  std::vector<Fetched> all;
  all.reserve(urls.size());
  for (std::future<Fetched>& each : pending) all.push_back(each.get());
  return all;
}

}  // namespace fetchd::testing
