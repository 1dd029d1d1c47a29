// A client of the admin listener that sends what it is told, to the byte.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "base/strings.h"

namespace fetchd::admin {

/// A connection to the server. A read that brings nothing for 20 s ends like the connection.
class Client {
 public:
  explicit Client(const std::string& address)
      : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval limit{.tv_sec = 20, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    peer_.sin_family = AF_INET;
    peer_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    peer_.sin_port = htons(*ParseDecimal<std::uint16_t>(address.substr(address.rfind(':') + 1)));
  }
  ~Client() {
    if (fd_ >= 0) close(fd_);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  Client& Connect() {
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&peer_), sizeof peer_), 0);
    return *this;
  }
  void Send(std::string_view bytes) {
    EXPECT_EQ(send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  /// Its own: "127.0.0.1:33914".
  std::string address() const {
    sockaddr_in own{};
    socklen_t size = sizeof own;
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&own), &size), 0);
    return Concat("127.0.0.1:", ntohs(own.sin_port));
  }
  /// At once, and without a farewell: the server has nobody to ask for the address.
  void Reset() {
    const linger now{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(std::exchange(fd_, -1));
  }
  /// Up to and with `end`, or all that came before the connection ended.
  std::string ReadUntil(std::string_view end) {
    std::string got;
    for (char next; !got.ends_with(end) && recv(fd_, &next, 1, 0) == 1;) got += next;
    return got;
  }
  std::string ReadToEnd() {
    std::string got;
    std::array<char, 65536> next;
    for (ssize_t size; (size = recv(fd_, next.data(), next.size(), 0)) > 0;) {
      got.append(next.data(), static_cast<std::size_t>(size));
    }
    return got;
  }

 private:
  int fd_;
  sockaddr_in peer_{};
};

}  // namespace fetchd::admin
