#include "net/tcp_stream.h"

#include <sys/socket.h>

#include <boost/asio/write.hpp>
#include <cerrno>
#include <utility>

namespace fetchd::net {

namespace {

using asio::ip::tcp;

class TcpStream final : public Stream {
 public:
  TcpStream(tcp::socket socket, tcp::endpoint peer)
      : socket_(std::move(socket)), peer_(std::move(peer)) {}

  Task<IoResult> ReadSome(std::span<std::byte> out) override {
    const auto [error, bytes] =
        co_await socket_.async_read_some(asio::buffer(out.data(), out.size()), kTuple);
    co_return IoResult{error, bytes};
  }

  Task<IoResult> WriteAll(std::span<const std::byte> bytes) override {
    const auto [error, written] =
        co_await asio::async_write(socket_, asio::buffer(bytes.data(), bytes.size()), kTuple);
    co_return IoResult{error, written};
  }

  void Close() noexcept override {
    boost::system::error_code ignored;  // close(2) frees the descriptor in any case.
    socket_.close(ignored);
  }

  bool IsStale() noexcept override {
    std::byte next;
    const ssize_t got = recv(socket_.native_handle(), &next, sizeof next, MSG_PEEK | MSG_DONTWAIT);
    return got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
  }

  std::size_t Available() noexcept override {
    boost::system::error_code none;  // A socket that cannot say has nothing to give.
    return socket_.available(none);
  }

  const tcp::endpoint& peer() const override { return peer_; }
  std::string tls_description() const override { return {}; }
  bool speaks_http2() const override { return false; }

 private:
  tcp::socket socket_;
  const tcp::endpoint peer_;
};

}  // namespace

std::unique_ptr<Stream> MakeTcpStream(tcp::socket socket, tcp::endpoint peer) {
  return std::make_unique<TcpStream>(std::move(socket), std::move(peer));
}

}  // namespace fetchd::net
