// Frames from a hostile peer, while a request is under way.
#include <fuzzer/FuzzedDataProvider.h>

#include <memory>
#include <string>

#include "fuzz/loop.h"
#include "http/http2_stream.h"
#include "unit/http/fake_net.h"

namespace fetchd::http {
namespace {

Task<absl::Status> Exchange(std::shared_ptr<Http2Session> session, std::string method, bool& done) {
  {
    Http2Stream stream(session);
    Request request(*Url::Parse("https://origin.test/"));
    request.method = std::move(method);
    absl::Status status = stream.Begin(request, "fuzz", Timeouts(), Deadline::Never());
    if (status.ok()) status = co_await stream.Exchange();
    std::byte room[1024];
    std::uint64_t received = 0;
    while (status.ok() && !stream.at_end()) {
      const absl::StatusOr<std::size_t> got = co_await stream.ReadBody(room);
      status = got.status();
      if (got.ok()) received += *got;
    }
    const Framing& framing = stream.framing();
    const bool whole = framing.mode != BodyMode::kFixed || received == framing.length;
    FETCHD_CHECK(!status.ok() || whole);
  }
  done = true;
  co_return absl::OkStatus();
}

void Receive(std::string method, std::deque<std::string> pieces) {
  testing::FuzzLoop loop;
  Watchdog watchdog(loop.clock(), loop.tasks());
  auto peer = std::make_shared<FakePeer>();
  peer->yields = false;
  peer->sends = std::move(pieces);
  const auto session = Http2Session::Start(std::make_unique<FakeStream>(loop.executor(), peer),
                                           "peer:443", watchdog, loop.tasks(), Http2Config());
  bool done = false;
  loop.tasks().Spawn("exchange", Exchange(session, std::move(method), done));
  for (int i = 0; i < 10 && !done; ++i) loop.Pass(std::chrono::minutes(1));
  FETCHD_CHECK(done);
  session->Close();
}

}  // namespace
}  // namespace fetchd::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  std::string method = input.ConsumeBool() ? "HEAD" : "GET";
  const auto piece = input.ConsumeIntegralInRange<std::size_t>(1, 512);
  const std::string bytes = input.ConsumeRemainingBytesAsString();
  std::deque<std::string> pieces;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    pieces.push_back(bytes.substr(at, piece));
  }
  fetchd::http::Receive(std::move(method), std::move(pieces));
  return 0;
}
