// An HTTP or SOCKS5 proxy and an origin that echoes, on loopback, on the loop of the test.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "support/certificates.h"
#include "unit/net/loop.h"

namespace fetchd::net {

/// Accepts on 127.0.0.1, with TLS when it has a certificate.
class LoopbackServer {
 public:
  using Plain = asio::ip::tcp::socket;
  using Secure = asio::ssl::stream<asio::ip::tcp::socket>;

  LoopbackServer(Loop& loop, const std::optional<testing::CertificateFiles>& identity)
      : loop_(loop), acceptor_(loop.executor(), {asio::ip::address_v4::loopback(), 0}) {
    if (!identity) return;
    tls_.emplace(asio::ssl::context::tls_server);
    tls_->use_certificate_chain_file(identity->certificate.string());
    tls_->use_private_key_file(identity->key.string(), asio::ssl::context::pem);
    constexpr unsigned char kId[] = "test";
    SSL_CTX_set_session_id_context(tls_->native_handle(), kId, sizeof kId);
  }
  /// Clients must show a certificate of an authority in `ca_file`, in TLS 1.3: there the server
  /// says no after the client's side of the handshake is done.
  void AskClientsFor(const std::string& ca_file) {
    tls_->load_verify_file(ca_file);
    tls_->set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
    SSL_CTX_set_min_proto_version(tls_->native_handle(), TLS1_3_VERSION);
  }
  virtual ~LoopbackServer() = default;
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;

  asio::ip::tcp::endpoint endpoint() const { return acceptor_.local_endpoint(); }
  std::uint16_t port() const { return endpoint().port(); }
  int connections() const { return connections_; }

 protected:
  void Start() { loop_.tasks().Spawn("accept", Accept()); }
  virtual Task<absl::Status> Serve(std::shared_ptr<Plain> client) = 0;
  virtual Task<absl::Status> Serve(std::shared_ptr<Secure> client) = 0;

  Loop& loop_;

 private:
  Task<absl::Status> Accept() {
    while (true) {
      auto [error, socket] = co_await acceptor_.async_accept(kTuple);
      if (error) continue;
      ++connections_;
      if (tls_) {
        loop_.tasks().Spawn("tls", ShakeHands(std::make_shared<Secure>(std::move(socket), *tls_)));
      } else {
        loop_.tasks().Spawn("serve", Serve(std::make_shared<Plain>(std::move(socket))));
      }
    }
  }
  Task<absl::Status> ShakeHands(std::shared_ptr<Secure> client) {
    const auto [error] = co_await client->async_handshake(asio::ssl::stream_base::server, kTuple);
    if (error) co_return absl::OkStatus();
    co_return co_await Serve(std::move(client));
  }

  asio::ip::tcp::acceptor acceptor_;
  std::optional<asio::ssl::context> tls_;
  int connections_ = 0;
};

/// Sends back what comes, and ends when its client does.
class EchoServer final : public LoopbackServer {
 public:
  explicit EchoServer(Loop& loop, const std::optional<testing::CertificateFiles>& identity = {})
      : LoopbackServer(loop, identity) {
    Start();
  }

  /// Ends all TCP connections as they are.
  void CutAll() {
    for (const auto& cut : cuts_) cut();
    cuts_.clear();
  }

 private:
  Task<absl::Status> Serve(std::shared_ptr<Plain> client) override { return Echo(client); }
  Task<absl::Status> Serve(std::shared_ptr<Secure> client) override { return Echo(client); }

  template <typename Client>
  Task<absl::Status> Echo(std::shared_ptr<Client> client) {
    cuts_.push_back([client] {
      boost::system::error_code ignored;
      client->lowest_layer().shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
    });
    std::vector<char> buffer(65536);
    while (true) {
      const auto [read_error, bytes] =
          co_await client->async_read_some(asio::buffer(buffer), kTuple);
      if (read_error) co_return absl::OkStatus();
      co_await asio::async_write(*client, asio::buffer(buffer.data(), bytes), kTuple);
    }
  }

  std::vector<std::function<void()>> cuts_;
};

/// Does what it is told, and notes what it was asked. Tunnels lead to `route`, whatever the target.
class LoopbackProxy final : public LoopbackServer {
 public:
  enum class Protocol { kHttp, kSocks5 };
  LoopbackProxy(Loop& loop, Protocol protocol, asio::ip::tcp::endpoint route,
                const std::optional<testing::CertificateFiles>& identity = {})
      : LoopbackServer(loop, identity), protocol_(protocol), route_(std::move(route)) {
    Start();
  }

  /// One a connection, then success. HTTP: a whole answer; SOCKS5: the code of its reply. Empty:
  /// silence; "close": the end.
  std::deque<std::string> answers;
  bool wants_password = false;  ///< SOCKS5.
  /// HTTP: the heads. SOCKS5: all bytes of a client up to its tunnel.
  std::vector<std::string> requests;

 private:
  Task<absl::Status> Serve(std::shared_ptr<Plain> client) override { return Answer(client); }
  Task<absl::Status> Serve(std::shared_ptr<Secure> client) override { return Answer(client); }

  std::string NextAnswer() {
    const std::string success =
        protocol_ == Protocol::kHttp ? "HTTP/1.1 200 OK\r\n\r\n" : std::string(1, '\0');
    if (answers.empty()) return success;
    std::string answer = std::move(answers.front());
    answers.pop_front();
    return answer;
  }

  template <typename Client>
  Task<absl::Status> Answer(std::shared_ptr<Client> client) {
    const std::size_t index = requests.size();
    requests.emplace_back();
    std::string received;
    if (protocol_ == Protocol::kHttp) {
      co_await ReadHead(*client, received);
    } else {
      co_await ReadSocksRequest(*client, received);
    }
    requests[index] = received;
    const std::string answer = NextAnswer();
    if (answer == "close") co_return absl::OkStatus();
    if (answer.empty()) co_return co_await Drop(*client);
    const bool opens = protocol_ == Protocol::kHttp ? answer.starts_with("HTTP/1.1 200")
                                                    : answer == std::string(1, '\0');
    const std::string sent = protocol_ == Protocol::kHttp
                                 ? answer
                                 : "\x05" + answer + std::string("\0\1\0\0\0\0\0\0", 8);
    co_await asio::async_write(*client, asio::buffer(sent), kTuple);
    if (!opens) co_return absl::OkStatus();
    co_return co_await Tunnel(client);
  }

  template <typename Client>
  static Task<void> ReadHead(Client& client, std::string& received) {
    char byte;
    while (!received.ends_with("\r\n\r\n")) {
      const auto [error, bytes] = co_await client.async_read_some(asio::buffer(&byte, 1), kTuple);
      if (error) co_return;
      received.push_back(byte);
    }
  }

  template <typename Client>
  static Task<bool> ReadBytes(Client& client, std::size_t count, std::string& received) {
    std::string bytes(count, '\0');
    const auto [error, size] = co_await asio::async_read(client, asio::buffer(bytes), kTuple);
    received += bytes;
    co_return !error;
  }

  template <typename Client>
  Task<void> ReadSocksRequest(Client& client, std::string& received) {
    if (!co_await ReadBytes(client, 2, received)) co_return;
    if (!co_await ReadBytes(client, static_cast<unsigned char>(received[1]), received)) co_return;
    const std::string method = wants_password ? std::string("\5\2", 2) : std::string("\5\0", 2);
    co_await asio::async_write(client, asio::buffer(method), kTuple);
    if (wants_password) {
      for (int part = 0; part < 2; ++part) {
        if (!co_await ReadBytes(client, part == 0 ? 2 : 1, received)) co_return;
        const auto size = static_cast<unsigned char>(received.back());
        if (!co_await ReadBytes(client, size, received)) co_return;
      }
      co_await asio::async_write(client, asio::buffer("\1\0", 2), kTuple);
    }
    if (!co_await ReadBytes(client, 4, received)) co_return;
    std::size_t rest = received.back() == 4 ? 16 : 4;
    if (received.back() == 3) {
      if (!co_await ReadBytes(client, 1, received)) co_return;
      rest = static_cast<unsigned char>(received.back());
    }
    co_await ReadBytes(client, rest + 2, received);
  }

  /// Says nothing until the client goes.
  template <typename Client>
  static Task<absl::Status> Drop(Client& client) {
    char byte;
    co_await client.async_read_some(asio::buffer(&byte, 1), kTuple);
    co_return absl::OkStatus();
  }

  template <typename Client>
  Task<absl::Status> Tunnel(std::shared_ptr<Client> client) {
    const auto origin = std::make_shared<Plain>(loop_.executor());
    const auto [error] = co_await origin->async_connect(route_, kTuple);
    if (error) co_return absl::OkStatus();
    loop_.tasks().Spawn("pipe", Pipe(origin, client));
    co_return co_await Pipe(client, origin);
  }

  template <typename From, typename To>
  static Task<absl::Status> Pipe(std::shared_ptr<From> from, std::shared_ptr<To> to) {
    std::vector<char> buffer(65536);
    while (true) {
      const auto [read_error, bytes] = co_await from->async_read_some(asio::buffer(buffer), kTuple);
      if (read_error) break;
      const auto [write_error, written] =
          co_await asio::async_write(*to, asio::buffer(buffer.data(), bytes), kTuple);
      if (write_error) break;
    }
    boost::system::error_code ignored;
    from->lowest_layer().close(ignored);
    to->lowest_layer().close(ignored);
    co_return absl::OkStatus();
  }

  const Protocol protocol_;
  const asio::ip::tcp::endpoint route_;
};

}  // namespace fetchd::net
