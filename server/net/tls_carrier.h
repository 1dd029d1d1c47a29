// What TLS runs over: a socket, or another stream (TLS to an origin inside TLS to a proxy).
//
// A carrier hands bytes to OpenSSL without blocking (Receive and Send: as recv and send, -1 with
// errno EAGAIN for "not now"), and waits on its behalf. kBuffers tells whether what OpenSSL has
// written stays in the carrier until Flush().
#pragma once

#include <openssl/bio.h>
#include <sys/socket.h>

#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/check.h"
#include "net/input_watch.h"
#include "net/stream.h"

namespace fetchd::net {

class SocketCarrier {
 public:
  using WaitType = asio::ip::tcp::socket::wait_type;
  static constexpr bool kBuffers = false;

  SocketCarrier(asio::ip::tcp::socket socket, asio::ip::tcp::endpoint peer)
      : socket_(std::move(socket)), peer_(std::move(peer)) {}

  ssize_t Receive(char* out, std::size_t size) {
    return recv(socket_.native_handle(), out, size, MSG_DONTWAIT);
  }
  /// OpenSSL's own socket BIO raises SIGPIPE.
  ssize_t Send(const char* bytes, std::size_t size) {
    return send(socket_.native_handle(), bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  auto Wait(WaitType type) { return socket_.async_wait(type, kTuple); }

  bool is_open() const { return socket_.is_open(); }
  void Close() noexcept {
    boost::system::error_code ignored;  // close(2) frees the descriptor in any case.
    socket_.close(ignored);
  }
  /// As Stream does.
  void WatchForInput(std::function<void()> notify) { watch_.Start(socket_, std::move(notify)); }
  void StopWatching() noexcept { watch_.Stop(socket_); }
  /// What OpenSSL has not been able to see so far: nothing, it reads the socket itself.
  bool HidesBytes() noexcept { return false; }
  std::size_t Available() noexcept {
    boost::system::error_code none;  // A socket that cannot say has nothing to give.
    return socket_.available(none);
  }
  const asio::ip::tcp::endpoint& peer() const { return peer_; }

 private:
  asio::ip::tcp::socket socket_;
  const asio::ip::tcp::endpoint peer_;
  InputWatch watch_;
};

class StreamCarrier {
 public:
  using WaitType = SocketCarrier::WaitType;
  static constexpr bool kBuffers = true;

  explicit StreamCarrier(std::unique_ptr<Stream> inner) : inner_(std::move(inner)) {}

  ssize_t Receive(char* out, std::size_t size);
  ssize_t Send(const char* bytes, std::size_t size);
  /// Only wait_read: Send takes everything.
  Task<std::tuple<boost::system::error_code>> Wait(WaitType type);
  /// By the task that writes: at most one at a time.
  Task<boost::system::error_code> Flush();

  bool is_open() const { return open_; }
  void Close() noexcept;
  /// As Stream does.
  void WatchForInput(std::function<void()> notify) { inner_->WatchForInput(std::move(notify)); }
  void StopWatching() noexcept { inner_->StopWatching(); }
  /// Something has come, or the end has, that a non-blocking look at OpenSSL does not show.
  bool HidesBytes() noexcept { return inner_->IsStale(); }
  std::size_t Available() noexcept { return end_ - begin_ + inner_->Available(); }
  const asio::ip::tcp::endpoint& peer() const { return inner_->peer(); }

 private:
  std::unique_ptr<Stream> inner_;
  bool open_ = true;
  bool ended_ = false;  ///< The inner stream has ended cleanly.
  // Received and not yet taken: in_[begin_, end_).
  std::vector<char> in_ = std::vector<char>(16 * 1024);
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::string out_;  ///< Written and not yet sent.
};

namespace internal {

inline int SettleBio(BIO* bio, ssize_t result, int retry_flags) {
  BIO_clear_retry_flags(bio);
  if (result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
    BIO_set_flags(bio, retry_flags | BIO_FLAGS_SHOULD_RETRY);
  }
  return static_cast<int>(result);
}

template <typename Carrier>
int ReadBio(BIO* bio, char* out, int size) {
  auto* carrier = static_cast<Carrier*>(BIO_get_data(bio));
  return SettleBio(bio, carrier->Receive(out, static_cast<std::size_t>(size)), BIO_FLAGS_READ);
}

template <typename Carrier>
int WriteBio(BIO* bio, const char* bytes, int size) {
  auto* carrier = static_cast<Carrier*>(BIO_get_data(bio));
  return SettleBio(bio, carrier->Send(bytes, static_cast<std::size_t>(size)), BIO_FLAGS_WRITE);
}

inline long ControlBio(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

template <typename Carrier>
const BIO_METHOD* CarrierBioMethod() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "net carrier");
    FETCHD_CHECK(made != nullptr);
    BIO_meth_set_read(made, &ReadBio<Carrier>);
    BIO_meth_set_write(made, &WriteBio<Carrier>);
    BIO_meth_set_ctrl(made, &ControlBio);
    return made;
  }();
  return method;
}

}  // namespace internal

/// A BIO over `carrier`, which outlives it.
template <typename Carrier>
BIO* NewCarrierBio(Carrier* carrier) {
  BIO* bio = BIO_new(internal::CarrierBioMethod<Carrier>());
  FETCHD_CHECK(bio != nullptr);
  BIO_set_data(bio, carrier);
  BIO_set_init(bio, 1);
  return bio;
}

}  // namespace fetchd::net
