// Bytes to the admin listener: what becomes a request of the API has one meaning, and every answer
// is whole.
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "admin/connection.h"
#include "admin/request_reader.h"
#include "base/check.h"
#include "base/strings.h"
#include "fuzz/loop.h"

namespace fetchd::admin {
namespace {

constexpr auto kPatience = std::chrono::seconds(10);

/// How the API was asked.
struct Asked {
  std::string method, target, body;
  friend bool operator==(const Asked&, const Asked&) = default;
};

bool HasLineBreak(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos;
}

/// What is in front of us must have read the same request.
void CheckRequest(const HttpRequest& request) {
  FETCHD_CHECK(!request.method.empty() && !request.target.empty());
  FETCHD_CHECK(!HasLineBreak(request.method) && !HasLineBreak(request.target));
  for (const HttpField& field : request.fields) {
    FETCHD_CHECK(!field.name.empty() && !HasLineBreak(field.name) && !HasLineBreak(field.value));
  }
  const auto codings = request.Values("transfer-encoding");
  const auto lengths = request.Values("content-length");
  FETCHD_CHECK(codings.size() + lengths.size() <= 1);
  if (codings.empty() && lengths.empty()) FETCHD_CHECK(request.body.empty());
  if (!codings.empty()) FETCHD_CHECK(EqualsIgnoreCase(codings[0], "chunked"));
  if (!lengths.empty()) FETCHD_CHECK(ParseDecimal(lengths[0]) == request.body.size());
  FETCHD_CHECK(request.body.size() <= kMaxBodyBytes);
  const std::string_view host = request.Value("host").value_or("");
  FETCHD_CHECK(EqualsIgnoreCase(host.substr(0, 9), "localhost") || host.starts_with("127.0.0.1") ||
               host.starts_with("[::1]"));
}

class RecordingApi final : public HttpHandler {
 public:
  std::optional<HttpReply> Judge(const HttpRequest&) override { return std::nullopt; }
  Task<HttpReply> Handle(HttpRequest request) override {
    CheckRequest(request);
    asked.push_back({request.method, request.target, std::move(request.body)});
    HttpReply reply;
    reply.body = "done";
    co_return reply;
  }
  HttpReply Refuse(int status, const std::string& message) const override {
    HttpReply reply;
    reply.status = status;
    reply.body = message;
    return reply;
  }
  std::vector<Asked> asked;
};

/// Everything that a connection needs besides its bytes.
struct Listener {
  explicit Listener(testing::FuzzLoop& loop) : clock(loop.clock()), metrics(loop.clock()) {}
  Clock& clock;
  runtime::DrainSignal drain_signal;
  telemetry::Metrics metrics;
  telemetry::Logger log{{}, [](std::string_view) {}, [] { return WallTime(); }};
  telemetry::LineRate refusals{10};
  RecordingApi api;
  const ApiGuard guard{.access = ApiAccess::kOpen, .listen_host = "127.0.0.1"};
  Semaphore body_bytes{std::size_t{8} << 20};
  Clients clients{8};
};

Task<absl::Status> Serve(Listener& all, asio::ip::tcp::socket socket) {
  CO_ASSIGN_OR_RETURN(Permit place, co_await all.clients.NextPlace(all.clock));
  const asio::ip::tcp::endpoint peer(asio::ip::address_v4::loopback(), 40000);
  const ConnectionDeps deps{.clock = all.clock,
                            .drain_signal = all.drain_signal,
                            .metrics = all.metrics,
                            .log = all.log,
                            .refusals = all.refusals,
                            .api = &all.api,
                            .guard = all.guard,
                            .body_bytes = all.body_bytes,
                            .request_timeout = kPatience};
  auto client = all.clients.Admit(std::move(place), peer.address());
  co_return co_await ServeClient(std::move(socket), peer, nullptr, deps, std::move(client));
}

/// A client with a pair of sockets: it sends, and takes what comes.
class Caller {
 public:
  Caller(testing::FuzzLoop& loop, Listener& listener) : loop_(loop) {
    std::array<int, 2> ends{};
    FETCHD_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) ==
                 0);
    end_ = ends[0];
    asio::ip::tcp::socket served(loop.executor());
    served.assign(asio::ip::tcp::v4(), ends[1]);
    loop.tasks().Spawn("client", Serve(listener, std::move(served)));
    loop.Poll();
  }
  ~Caller() { close(end_); }
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;

  void Send(std::string_view bytes) {
    // One that has hung up takes no more; one that does not read is out of room at some point.
    if (send(end_, bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) return;
    Receive();
  }
  void Receive() {
    std::array<char, 65536> piece;
    while (true) {
      loop_.Poll();
      const ssize_t got = recv(end_, piece.data(), piece.size(), 0);
      if (got <= 0) return;
      answers_.append(piece.data(), static_cast<std::size_t>(got));
    }
  }
  const std::string& Finish() {
    shutdown(end_, SHUT_WR);
    Receive();
    loop_.Pass(2 * kPatience);
    Receive();
    return answers_;
  }

 private:
  testing::FuzzLoop& loop_;
  int end_ = -1;
  std::string answers_;
};

std::string_view TakeUpTo(std::string_view& text, std::string_view end) {
  const std::size_t at = text.find(end);
  FETCHD_CHECK(at != std::string_view::npos);
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(at + end.size());
  return taken;
}

/// How many answers there are; of HEAD and 304 nobody knows the length but by its fields.
std::size_t CountAnswers(std::string_view text, std::string_view sent) {
  constexpr std::string_view kLength = "\r\nContent-Length: ";
  const bool may_lack_bodies = sent.find("HEAD") != std::string_view::npos ||
                               sent.find("one-match") != std::string_view::npos;
  std::size_t answers = 0;
  while (!text.empty()) {
    FETCHD_CHECK(text.starts_with("HTTP/1."));
    ++answers;
    const std::string_view head = TakeUpTo(text, "\r\n\r\n");
    if (head.find(" 100 ") == 8) {
      --answers;
      continue;
    }
    if (may_lack_bodies) return answers;
    const std::size_t at = head.find(kLength);
    FETCHD_CHECK(at != std::string_view::npos);
    std::string_view length = head.substr(at + kLength.size());
    length = length.substr(0, length.find('\r'));
    const auto bytes = ParseDecimal<std::size_t>(length);
    FETCHD_CHECK(bytes && *bytes <= text.size());
    text.remove_prefix(*bytes);
  }
  return answers;
}

/// In pieces of `piece` bytes; 0 = all at once.
std::vector<Asked> Ask(std::string_view bytes, std::size_t piece) {
  testing::FuzzLoop loop;
  Listener listener(loop);
  Caller caller(loop, listener);
  for (std::string_view rest = bytes; !rest.empty();) {
    const std::string_view next = rest.substr(0, piece == 0 ? rest.size() : piece);
    rest.remove_prefix(next.size());
    caller.Send(next);
  }
  const std::string& answers = caller.Finish();
  const std::size_t answered = CountAnswers(answers, bytes);
  const bool all_counted = bytes.find("HEAD") == std::string_view::npos &&
                           bytes.find("one-match") == std::string_view::npos;
  if (all_counted) FETCHD_CHECK(answered >= listener.api.asked.size());
  return std::move(listener.api.asked);
}

}  // namespace
}  // namespace fetchd::admin

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  // The first byte says how long the pieces are.
  const std::size_t piece = 1 + data[0] % 64;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  FETCHD_CHECK(fetchd::admin::Ask(bytes, 0) == fetchd::admin::Ask(bytes, piece));
  return 0;
}
