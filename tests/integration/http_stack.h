// The real HTTP stack in this process, allowed to contact loopback.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/redirecting_client.h"
#include "http/shared_client.h"
#include "runtime/runtime.h"

namespace fetchd::testing {

/// What came of one request.
struct Fetched {
  absl::Status status;  ///< Of the head or of the body, whichever failed.
  int http_status = 0;  ///< 0 when no head came.
  std::string body;     ///< As far as it came.
  std::string url;      ///< What answered.
  std::vector<http::ExchangeRecord> records;
  std::string reason() const;  ///< Of `status`; empty when it has none.
  std::string message() const { return MessageOf(status); }
};

struct HttpStackOptions {
  std::vector<std::string> allow = {"127.0.0.1/32"};
  std::string ca_file;  ///< Trusted under the profile "test".
  http::ClientConfig client;
  std::size_t shards = 2;
};

class HttpStack {
 public:
  explicit HttpStack(HttpStackOptions options = {});
  ~HttpStack();

  /// Sends on the origin's shard and reads the body to its end. Blocking.
  Fetched Get(std::string_view url, http::Timeouts timeouts = {},
              http::RedirectConfig redirects = {});
  Fetched Send(http::Request request, http::Timeouts timeouts, http::RedirectConfig redirects);
  /// As many GETs at once as there are `urls`, in their order.
  std::vector<Fetched> GetAll(const std::vector<std::string>& urls);

  /// Returns when `duration` has passed on a shard.
  void Pass(Duration duration);

  runtime::Runtime& runtime() { return runtime_; }
  http::SharedClient& client() { return *client_; }
  Clock& clock() { return clock_; }
  const std::shared_ptr<const egress::Policy>& policy() const { return policy_; }

 private:
  Task<Fetched> Exchange(http::Request request, http::Call call, http::RedirectConfig redirects);

  RealClock clock_;
  runtime::Runtime runtime_;
  std::shared_ptr<const egress::Policy> policy_;
  std::unique_ptr<http::SharedClient> client_;
};

/// A request for `url`, which must parse. HTTPS requests trust the profile "test".
http::Request RequestFor(std::string_view url);

}  // namespace fetchd::testing
