#include "net/input_watch.h"

#include <gtest/gtest.h>

#include <boost/asio/write.hpp>
#include <optional>

#include "unit/net/loop.h"

namespace fetchd::net {
namespace {

using asio::ip::tcp;

class InputWatchTest : public ::testing::Test {
 protected:
  InputWatchTest() : socket_(loop_.executor()), peer_(loop_.executor()) {
    tcp::acceptor acceptor(loop_.executor(), {asio::ip::address_v4::loopback(), 0});
    std::optional<std::tuple<boost::system::error_code, tcp::socket>> accepted;
    loop_.Start(Accept(acceptor), &accepted);
    peer_.connect(acceptor.local_endpoint());  // The kernel's backlog takes it.
    loop_.RunUntil([&] { return accepted.has_value(); });
    socket_ = std::get<1>(*std::move(accepted));
  }

  static Task<std::tuple<boost::system::error_code, tcp::socket>> Accept(tcp::acceptor& acceptor) {
    co_return co_await acceptor.async_accept(kTuple);
  }
  void Watch() {
    watch_.emplace();
    watch_->Start(socket_, [this] { ++notified_; });
  }
  /// What happened to this connection before has been seen when another one's news has come.
  void Settle() {
    asio::write(socket_, asio::buffer("x", 1));
    InputWatch other;
    bool seen = false;
    other.Start(peer_, [&seen] { seen = true; });
    loop_.RunUntil([&] { return seen; });
    loop_.Poll();
  }

  Loop loop_;
  tcp::socket socket_;
  tcp::socket peer_;
  std::optional<InputWatch> watch_;
  int notified_ = 0;
};

TEST_F(InputWatchTest, NotifiesWhenThePeerCloses) {
  Watch();
  peer_.shutdown(tcp::socket::shutdown_send);
  loop_.RunUntil([this] { return notified_ > 0; });

  EXPECT_EQ(notified_, 1);
}

TEST_F(InputWatchTest, NotifiesOnceAndTakesNothing) {
  Watch();
  asio::write(peer_, asio::buffer("ab", 2));
  loop_.RunUntil([this] { return notified_ > 0; });
  asio::write(peer_, asio::buffer("cd", 2));
  Settle();

  EXPECT_EQ(notified_, 1);
  EXPECT_EQ(socket_.available(), 4U);
}

TEST_F(InputWatchTest, NotifiesOfWhatCameBeforeItBegan) {
  asio::write(peer_, asio::buffer("ab", 2));
  Settle();
  Watch();
  loop_.RunUntil([this] { return notified_ > 0; });

  EXPECT_EQ(notified_, 1);
}

TEST_F(InputWatchTest, MayBeStartedAgainWhenItHasNotified) {
  watch_.emplace();
  watch_->Start(socket_, [this] {
    if (++notified_ == 1) watch_->Start(socket_, [this] { ++notified_; });
  });
  asio::write(peer_, asio::buffer("ab", 2));
  loop_.RunUntil([this] { return notified_ > 1; });

  EXPECT_EQ(notified_, 2);
}

TEST_F(InputWatchTest, StoppedOneIsSilent) {
  Watch();
  watch_->Stop(socket_);
  peer_.shutdown(tcp::socket::shutdown_send);
  Settle();

  EXPECT_EQ(notified_, 0);
}

TEST_F(InputWatchTest, DestroyedOneIsSilent) {
  Watch();
  watch_.reset();
  peer_.shutdown(tcp::socket::shutdown_send);
  Settle();

  EXPECT_EQ(notified_, 0);
}

}  // namespace
}  // namespace fetchd::net
