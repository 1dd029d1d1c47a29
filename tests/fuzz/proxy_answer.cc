// What a proxy answers to CONNECT and to SOCKS5, at once and in pieces.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <string>

#include "base/check.h"
#include "net/tunnel.h"

namespace fetchd::net {
namespace {

struct Talk {
  bool over = false;
  std::string sent;
  std::size_t taken = 0;
  TunnelOutcome outcome;
};

Talk Converse(const Proxy& proxy, const std::string& answer, std::size_t piece) {
  Talk talk;
  const auto negotiation = NegotiateTunnel(proxy, {"192.0.2.7", 443}, "example.org:443");
  while (true) {
    talk.sent += negotiation->TakeOutput();
    const std::size_t wanted = negotiation->wanted();
    if (wanted == 0) break;
    const std::size_t bytes = std::min({wanted, piece, answer.size() - talk.taken});
    if (bytes == 0) return talk;
    negotiation->Feed(answer.substr(talk.taken, bytes));
    talk.taken += bytes;
  }
  talk.over = true;
  talk.outcome = negotiation->outcome();
  return talk;
}

}  // namespace
}  // namespace fetchd::net

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using fetchd::net::Converse;
  FuzzedDataProvider input(data, size);
  fetchd::net::Proxy proxy{.name = "corp", .kind = fetchd::net::ProxyKind::kHttp};
  if (input.ConsumeBool()) proxy.kind = fetchd::net::ProxyKind::kSocks5;
  if (input.ConsumeBool()) {
    proxy.username = "me";
    proxy.password = fetchd::Secret("s3cret");
  }
  const auto piece = input.ConsumeIntegralInRange<std::size_t>(1, 8);
  const std::string answer = input.ConsumeRemainingBytesAsString();

  const auto whole = Converse(proxy, answer, answer.size() + 1);
  const auto pieces = Converse(proxy, answer, piece);
  // Whatever is behind the answer is the tunnel's, and changes nothing.
  const auto followed =
      Converse(proxy, answer.substr(0, whole.taken) + "inside", answer.size() + 6);

  FETCHD_CHECK(whole.over == pieces.over && whole.sent == pieces.sent);
  if (!whole.over) return 0;
  FETCHD_CHECK(whole.outcome.status == pieces.outcome.status);
  FETCHD_CHECK(whole.outcome.status == followed.outcome.status);
  FETCHD_CHECK(whole.outcome.status.ok() == (whole.outcome.summary == "connected"));
  // Of a refused tunnel's bytes none is read again: how many were taken may differ.
  FETCHD_CHECK(!whole.outcome.status.ok() ||
               (whole.taken == pieces.taken && whole.taken == followed.taken));
  FETCHD_CHECK(fetchd::MessageOf(whole.outcome.status).find("s3cret") == std::string::npos);
  return 0;
}
