// Streams and a dialer that tests script, and a shard to run them on.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/watchdog.h"
#include "net/dialer.h"
#include "runtime/task_group.h"
#include "support/manual_clock.h"

namespace fetchd::http {

using ErrorCode = boost::system::error_code;

/// What the peer of one FakeStream does, and what happened to it. Outlives the stream.
struct FakePeer {
  std::deque<std::string> sends;  ///< One piece a read, as far as the reader's buffer goes.
  std::deque<std::vector<std::string>>
      answers;  ///< Appended to `sends` when a request has been written, one a write.
  ErrorCode end = asio::error::eof;  ///< After all sends...
  bool ends = true;                  ///< ... or silence, when false.
  ErrorCode write_error;
  bool yields = true;         ///< Operations suspend, as those of a socket do.
  bool takes_at_once = true;  ///< What is written; else only a write that waits is taken.
  bool stale = false;
  bool speaks_http2 = false;
  std::function<void(std::string_view bytes)> on_write;  ///< Instead of `answers`.

  std::string received;
  std::size_t reads = 0;
  std::size_t writes = 0;
  std::size_t largest_read = 0;
  bool closed = false;
  bool destroyed = false;
  asio::steady_timer* waiting = nullptr;
  std::function<void()> watcher;  ///< Who looks out for input while the connection is idle.

  /// Wakes a reader that waits in silence.
  void Say(std::string bytes) {
    sends.push_back(std::move(bytes));
    if (waiting != nullptr) waiting->cancel();
  }
  /// Makes the socket readable: what is there to read says `stale`.
  void Stir() {
    if (const auto notify = std::exchange(watcher, nullptr)) notify();
  }
  /// Closes the idle connection.
  void HangUp() {
    stale = true;
    Stir();
  }
};

class FakeStream final : public net::Stream {
 public:
  FakeStream(const asio::any_io_executor& executor, std::shared_ptr<FakePeer> peer)
      : peer_(std::move(peer)), silence_(executor) {
    silence_.expires_at(std::chrono::steady_clock::time_point::max());
  }
  ~FakeStream() override {
    peer_->destroyed = true;
    peer_->watcher = nullptr;
  }

  Task<net::IoResult> ReadSome(std::span<std::byte> out) override {
    ++peer_->reads;
    peer_->largest_read = std::max(peer_->largest_read, out.size());
    if (peer_->yields) co_await asio::post(asio::use_awaitable);
    while (peer_->sends.empty() && !peer_->ends && !peer_->closed) {
      peer_->waiting = &silence_;
      struct Woken {
        FakePeer& peer;
        ~Woken() { peer.waiting = nullptr; }
      } const woken{*peer_};
      auto state = co_await asio::this_coro::cancellation_state;
      co_await silence_.async_wait(kTuple);
      if (state.cancelled() != asio::cancellation_type::none)
        co_return net::IoResult{asio::error::operation_aborted};
    }
    if (peer_->closed) co_return net::IoResult{asio::error::operation_aborted};
    if (peer_->sends.empty()) co_return net::IoResult{peer_->end};
    std::string& next = peer_->sends.front();
    const std::size_t bytes = std::min(out.size(), next.size());
    std::memcpy(out.data(), next.data(), bytes);
    next.erase(0, bytes);
    if (next.empty()) peer_->sends.pop_front();
    co_return net::IoResult{{}, bytes};
  }

  Task<net::IoResult> WriteAll(std::span<const std::byte> bytes) override {
    if (peer_->yields) co_await asio::post(asio::use_awaitable);
    if (peer_->write_error) co_return net::IoResult{peer_->write_error};
    Deliver(bytes);
    co_return net::IoResult{{}, bytes.size()};
  }

  void Close() noexcept override {
    peer_->closed = true;
    peer_->watcher = nullptr;
    silence_.cancel();
  }
  void WatchForInput(std::function<void()> notify) override { peer_->watcher = std::move(notify); }
  void StopWatching() noexcept override { peer_->watcher = nullptr; }
  std::size_t SendNow(std::span<const std::byte> bytes) noexcept override {
    if (peer_->closed || peer_->write_error || !peer_->takes_at_once) return 0;
    Deliver(bytes);
    return bytes.size();
  }
  std::size_t Available() noexcept override { return 0; }
  bool IsStale() noexcept override { return peer_->stale; }
  const asio::ip::tcp::endpoint& peer() const override { return endpoint_; }
  std::string tls_description() const override { return {}; }
  bool speaks_http2() const override { return peer_->speaks_http2; }

 private:
  void Deliver(std::span<const std::byte> bytes) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    ++peer_->writes;
    peer_->received += text;
    if (peer_->on_write) {
      peer_->on_write(text);
    } else if (!peer_->answers.empty()) {
      for (std::string& piece : peer_->answers.front()) peer_->sends.push_back(std::move(piece));
      peer_->answers.pop_front();
    }
  }

  std::shared_ptr<FakePeer> peer_;
  asio::steady_timer silence_;
  asio::ip::tcp::endpoint endpoint_;
};

inline std::string Answer(std::string_view body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}

/// Connects to scripted peers. Every peer answers each request with `answer` unless `script`
/// changes it.
class FakeDialer final : public net::Dialer {
 public:
  explicit FakeDialer(asio::any_io_executor executor) : executor_(std::move(executor)) {}

  Task<absl::StatusOr<std::unique_ptr<net::Stream>>> Dial(net::DialRequest request, Deadline,
                                                          net::DialRecord* record) override {
    dialled.push_back(request.origin);
    offered_http2 = request.offer_http2;
    record->failed_phase = Phase::kConnect;
    requests.push_back(std::move(request));
    co_await asio::post(asio::use_awaitable);
    if (hangs) {
      asio::steady_timer never(executor_, asio::steady_timer::time_point::max());
      co_await never.async_wait(asio::use_awaitable);
    }
    absl::Status failed = failure;
    if (!failures.empty()) {
      failed = std::move(failures.front());
      failures.pop_front();
    }
    if (!failed.ok()) co_return failed;
    auto peer = std::make_shared<FakePeer>();
    peer->ends = false;
    for (int i = 0; i < 100; ++i) peer->answers.push_back({answer});
    peers.push_back(peer);
    if (script) script(*peer, peers.size() - 1);
    co_return std::make_unique<FakeStream>(executor_, peer);
  }

  std::string answer = Answer("hello");
  std::function<void(FakePeer&, std::size_t index)> script;
  absl::Status failure;
  std::deque<absl::Status> failures;  ///< Instead, of the first dials, one each.
  bool hangs = false;                 ///< Until it is cancelled.
  std::vector<Origin> dialled;
  std::vector<net::DialRequest> requests;
  bool offered_http2 = false;  ///< By the last dial.
  std::vector<std::shared_ptr<FakePeer>> peers;

 private:
  asio::any_io_executor executor_;
};

/// A shard without a thread, and a clock that stands still.
class ShardTest : public ::testing::Test {
 protected:
  ~ShardTest() override {
    bool joined = false;
    tasks_.Cancel();
    closing_.Spawn("join", Join(tasks_, joined));
    Poll();
    EXPECT_TRUE(joined);
    DrainClosing();
    EXPECT_EQ(clock_.sleepers(), 0U);
  }

  void Poll() {
    context_.restart();
    context_.poll();
  }
  void Pass(Duration duration) {
    Poll();
    clock_.Advance(duration);
    Poll();
    clock_.Advance(Watchdog::kTick);  // Deadlines are late by up to a tick.
    Poll();
  }

  asio::io_context context_;
  testing::ManualClock clock_;
  runtime::TaskGroup tasks_{context_.get_executor()};
  runtime::TaskGroup closing_{context_.get_executor()};

 private:
  static Task<absl::Status> Join(runtime::TaskGroup& group, bool& joined) {
    co_await group.Join();
    joined = true;
    co_return absl::OkStatus();
  }
  void DrainClosing() {
    Poll();
    EXPECT_EQ(closing_.size(), 0U);
  }
};

}  // namespace fetchd::http
