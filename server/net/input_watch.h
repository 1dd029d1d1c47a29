// Waits, without a task and without reading, until a socket has something to say.
#pragma once

#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <utility>

#include "base/task.h"

namespace fetchd::net {

/// One wait at a time, on the socket's shard. Stopped or destroyed, it calls nothing any more.
class InputWatch {
 public:
  /// Calls `notify` once, from the event loop, when the socket can be read or has failed.
  void Start(asio::ip::tcp::socket& socket, std::function<void()> notify) {
    armed_ = std::make_shared<std::function<void()>>(std::move(notify));
    socket.async_wait(asio::ip::tcp::socket::wait_read,
                      [weak = std::weak_ptr(armed_)](const boost::system::error_code& error) {
                        const auto armed = weak.lock();
                        if (armed != nullptr && error != asio::error::operation_aborted) (*armed)();
                      });
  }

  /// While nothing else waits for the socket: it ends all waits.
  void Stop(asio::ip::tcp::socket& socket) noexcept {
    if (armed_ == nullptr) return;
    armed_.reset();
    boost::system::error_code ignored;  // Nobody listens to the wait any more in any case.
    socket.cancel(ignored);
  }

 private:
  std::shared_ptr<std::function<void()>> armed_;
};

}  // namespace fetchd::net
