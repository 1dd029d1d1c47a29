#include "net/tcp_stream.h"

#include <sys/socket.h>

#include <boost/asio/write.hpp>
#include <cerrno>

namespace fetchd::net {

using asio::ip::tcp;

TcpStream::TcpStream(tcp::socket socket, tcp::endpoint peer)
    : socket_(std::move(socket)), peer_(std::move(peer)) {}

Task<IoResult> TcpStream::ReadSome(std::span<std::byte> out) {
  const auto [error, bytes] =
      co_await socket_.async_read_some(asio::buffer(out.data(), out.size()), kTuple);
  co_return IoResult{error, bytes};
}

Task<IoResult> TcpStream::WriteAll(std::span<const std::byte> bytes) {
  const auto [error, written] =
      co_await asio::async_write(socket_, asio::buffer(bytes.data(), bytes.size()), kTuple);
  co_return IoResult{error, written};
}

void TcpStream::Close() noexcept {
  boost::system::error_code ignored;  // close(2) frees the descriptor in any case.
  socket_.close(ignored);
}

bool TcpStream::IsStale() noexcept {
  std::byte next;
  const ssize_t got = recv(socket_.native_handle(), &next, sizeof next, MSG_PEEK | MSG_DONTWAIT);
  return got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

void TcpStream::WatchForInput(std::function<void()> notify) {
  watch_.Start(socket_, std::move(notify));
}

std::size_t TcpStream::SendNow(std::span<const std::byte> bytes) noexcept {
  const ssize_t sent =
      send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  return sent > 0 ? static_cast<std::size_t>(sent) : 0;
}

std::size_t TcpStream::Available() noexcept {
  boost::system::error_code none;  // A socket that cannot say has nothing to give.
  return socket_.available(none);
}

}  // namespace fetchd::net
