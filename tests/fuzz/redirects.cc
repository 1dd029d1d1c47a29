// A chain of Locations from hostile origins.
#include <fuzzer/FuzzedDataProvider.h>

#include <memory>
#include <string>

#include "base/check.h"
#include "fuzz/loop.h"
#include "http/redirecting_client.h"

namespace fetchd::http {
namespace {

/// Answers each request with the next Location; checks what each of them carries.
class RedirectingOrigins final : public Client {
 public:
  explicit RedirectingOrigins(FuzzedDataProvider& input) : input_(input) {}

  Task<absl::StatusOr<Response>> Send(Request request, Call) override {
    ++requests;
    left_ = left_ || request.url.origin() != first_;
    for (const Header& header : request.headers) {
      FETCHD_CHECK(!left_ || header.name == "Accept");
    }
    Response response{.url = std::move(request.url)};
    const bool redirects = input_.remaining_bytes() > 0;
    response.head.status = redirects ? input_.PickValueInArray({301, 302, 303, 307, 308}) : 200;
    if (redirects) response.head.headers.Add("Location", input_.ConsumeRandomLengthString(200));
    response.body = std::make_unique<EmptyBody>();
    co_return response;
  }
  int requests = 0;

 private:
  FuzzedDataProvider& input_;
  const Origin first_{"https", "origin.test", 443};
  bool left_ = false;
};

Task<absl::Status> Follow(RedirectingClient& client, Request request, bool& done) {
  const absl::StatusOr<Response> response =
      co_await client.Send(std::move(request), Call(), RedirectConfig());
  done = true;
  co_return response.status();
}

}  // namespace
}  // namespace fetchd::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fetchd;
  FuzzedDataProvider input(data, size);
  http::RedirectingOrigins origins(input);
  testing::FuzzLoop loop;
  http::RedirectingClient client(origins,
                                 std::make_shared<egress::Subject>(*egress::Policy::Create({})));
  http::Request request(*Url::Parse("https://origin.test/start"));
  request.headers = {{"Accept", "*/*"}, {"Authorization", "s"}, {"Cookie", "s"}, {"X-Key", "s"}};
  request.secret_headers = {"x-key"};
  bool done = false;
  loop.tasks().Spawn("follow", http::Follow(client, std::move(request), done));
  loop.Poll();
  FETCHD_CHECK(done);
  FETCHD_CHECK(origins.requests <= 11);
  return 0;
}
