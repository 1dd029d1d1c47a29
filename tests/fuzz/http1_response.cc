// A whole HTTP/1.1 response from a hostile peer, read by a connection.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "fuzz/loop.h"
#include "http/connection.h"
#include "unit/http/fake_net.h"

namespace fetchd::http {
namespace {

struct Outcome {
  bool done = false;
  bool failed = false;
  int status = 0;
  std::string body;
  bool reusable = false;
};

Task<absl::Status> Exchange(Http1Connection& connection, Request request, Outcome& outcome) {
  outcome.failed = true;
  CO_RETURN_IF_ERROR(connection.Begin(request, "fuzz", Timeouts(), Deadline::Never()));
  CO_RETURN_IF_ERROR(co_await connection.Exchange());
  outcome.status = connection.TakeHead().status;
  std::byte room[37];
  while (!connection.at_end()) {
    const absl::StatusOr<std::size_t> got = co_await connection.ReadBody(room);
    if (!got.ok()) co_return got.status();
    FETCHD_CHECK(*got > 0 || connection.at_end());
    outcome.body.append(reinterpret_cast<const char*>(room), *got);
  }
  outcome.failed = false;
  outcome.reusable = connection.reusable();
  co_return absl::OkStatus();
}

Task<absl::Status> Run(Http1Connection& connection, Request request, Outcome& outcome) {
  const absl::Status status = co_await Exchange(connection, std::move(request), outcome);
  outcome.done = true;
  co_return status;
}

Outcome Receive(const std::string& method, std::deque<std::string> pieces) {
  testing::FuzzLoop loop;
  Watchdog watchdog(loop.clock(), loop.tasks());
  auto peer = std::make_shared<FakePeer>();
  peer->yields = false;
  peer->sends = std::move(pieces);
  Http1Connection connection(std::make_unique<FakeStream>(loop.executor(), peer), "peer:80",
                             watchdog);
  Request request(*Url::Parse("http://origin.test/"));
  request.method = method;
  Outcome outcome;
  loop.tasks().Spawn("exchange", Run(connection, std::move(request), outcome));
  loop.Poll();
  FETCHD_CHECK(outcome.done);
  loop.Pass(std::chrono::minutes(1));
  return outcome;
}

}  // namespace
}  // namespace fetchd::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  const std::string method = input.ConsumeBool() ? "HEAD" : "GET";
  const auto piece = input.ConsumeIntegralInRange<std::size_t>(1, 32);
  const std::string bytes = input.ConsumeRemainingBytesAsString();
  std::deque<std::string> pieces;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    pieces.push_back(bytes.substr(at, piece));
  }

  const auto whole = fetchd::http::Receive(method, {bytes});
  const auto in_pieces = fetchd::http::Receive(method, std::move(pieces));

  FETCHD_CHECK(whole.failed == in_pieces.failed);
  FETCHD_CHECK(whole.failed || (whole.status == in_pieces.status && whole.body == in_pieces.body));
  FETCHD_CHECK(whole.failed || whole.status >= 200);
  FETCHD_CHECK(method == "GET" || whole.body.empty());
  return 0;
}
