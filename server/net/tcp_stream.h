// Plain TCP as a Stream.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <utility>

#include "net/input_watch.h"
#include "net/stream.h"

namespace fetchd::net {

class TcpStream final : public Stream {
 public:
  /// Takes a connected socket whose peer is `peer`.
  TcpStream(asio::ip::tcp::socket socket, asio::ip::tcp::endpoint peer);

  Task<IoResult> ReadSome(std::span<std::byte> out) override;
  Task<IoResult> WriteAll(std::span<const std::byte> bytes) override;
  void Close() noexcept override;
  bool IsStale() noexcept override;
  void WatchForInput(std::function<void()> notify) override;
  void StopWatching() noexcept override { watch_.Stop(socket_); }
  std::size_t SendNow(std::span<const std::byte> bytes) noexcept override;
  std::size_t Available() noexcept override;
  const asio::ip::tcp::endpoint& peer() const override { return peer_; }
  std::string tls_description() const override { return {}; }
  bool speaks_http2() const override { return false; }

  /// Gives the socket up, for what is to run over it; only destruction may follow.
  asio::ip::tcp::socket Release() { return std::move(socket_); }

 private:
  asio::ip::tcp::socket socket_;
  const asio::ip::tcp::endpoint peer_;
  InputWatch watch_;
};

}  // namespace fetchd::net
