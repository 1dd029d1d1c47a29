// An http::Client that answers from a script.
#pragma once

#include <algorithm>
#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "http/client.h"

namespace fetchd::testing {

/// What a body does, in order.
struct BodyStep {
  enum class Kind { kBytes, kError, kHang, kCall, kWait, kTurn };
  Kind kind = Kind::kBytes;
  std::string bytes;
  absl::Status error;
  std::function<void()> call;
  Duration wait{};
  static BodyStep Bytes(std::string bytes) { return {Kind::kBytes, std::move(bytes), {}, {}, {}}; }
  static BodyStep Error(absl::Status error) { return {Kind::kError, "", std::move(error), {}, {}}; }
  /// Until the reader is cancelled.
  static BodyStep Hang() { return {Kind::kHang, "", {}, {}, {}}; }
  /// When the reader asks for what follows.
  static BodyStep Call(std::function<void()> call) {
    return {Kind::kCall, "", {}, std::move(call), {}};
  }
  /// What follows comes so much later, by the client's clock.
  static BodyStep Wait(Duration wait) { return {Kind::kWait, "", {}, {}, wait}; }
  /// What follows has come, but the reader learns of it a turn of the loop later, whatever happens.
  static BodyStep Turn() { return {Kind::kTurn, "", {}, {}, {}}; }
};

struct FakeAnswer {
  absl::Status error;     ///< No head at all.
  bool hangs = false;     ///< Before the head, until the caller is cancelled.
  Duration place_wait{};  ///< In the pool, before anything else. By the client's clock.
  Duration head_wait{};   ///< Then for the head, or for the error.
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::optional<std::uint64_t> content_length;
  std::vector<BodyStep> body;
  std::vector<std::pair<std::string, std::string>> trailers;
};

/// Until the caller is cancelled.
inline Task<void> Forever() {
  asio::steady_timer never(co_await asio::this_coro::executor,
                           asio::steady_timer::time_point::max());
  co_await never.async_wait(asio::use_awaitable);
}

/// Every Read suspends once, so that tests can cancel there.
class FakeBody final : public http::Body {
 public:
  explicit FakeBody(std::vector<BodyStep> steps, Clock* clock = nullptr)
      : steps_(std::move(steps)), clock_(clock) {
    std::reverse(steps_.begin(), steps_.end());
  }
  Task<absl::StatusOr<std::size_t>> Read(std::span<std::byte> out) override {
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    while (!steps_.empty() && Passes(steps_.back())) {
      const Duration wait = steps_.back().wait;
      const bool turn = steps_.back().kind == BodyStep::Kind::kTurn;
      steps_.pop_back();
      if (turn) co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
      if (wait > Duration::zero()) co_await clock_->SleepFor(wait);
    }
    if (steps_.empty()) co_return 0;
    BodyStep& step = steps_.back();
    if (step.kind == BodyStep::Kind::kError) co_return step.error;
    if (step.kind == BodyStep::Kind::kHang) co_await Forever();
    const std::size_t size = std::min(out.size(), step.bytes.size());
    std::memcpy(out.data(), step.bytes.data(), size);
    step.bytes.erase(0, size);
    co_return size;
  }
  std::size_t Buffered() const override { return 0; }
  const http::Headers& Trailers() const override { return trailers; }

  http::Headers trailers;

 private:
  static bool Passes(const BodyStep& step) {
    if (step.kind == BodyStep::Kind::kCall) step.call();
    return step.kind == BodyStep::Kind::kCall || step.kind == BodyStep::Kind::kWait ||
           step.kind == BodyStep::Kind::kTurn ||
           (step.kind == BodyStep::Kind::kBytes && step.bytes.empty());
  }

  std::vector<BodyStep> steps_;  ///< The next one last.
  Clock* const clock_;           ///< Null when nothing waits.
};

/// Thread-safe when its handler is.
class FakeHttpClient final : public http::Client {
 public:
  using Handler = std::function<FakeAnswer(const http::Request&)>;
  /// With a clock, answers may wait and records have times.
  explicit FakeHttpClient(Handler handler, Clock* clock = nullptr)
      : handler_(std::move(handler)), clock_(clock) {}

  Task<absl::StatusOr<http::Response>> Send(http::Request request, http::Call call) override {
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    FakeAnswer answer = handler_(request);
    http::ExchangeRecord unwanted;
    http::ExchangeRecord& record =
        call.records != nullptr ? call.records->emplace_back() : unwanted;
    record.url = request.url.Redacted();
    record.failed_phase = Phase::kPoolWait;
    if (clock_ != nullptr) record.begun_at = clock_->Now();
    if (answer.place_wait > Duration::zero()) co_await clock_->SleepFor(answer.place_wait);
    if (clock_ != nullptr) record.served_at = clock_->Now();
    record.failed_phase = Phase::kFirstByte;
    if (answer.head_wait > Duration::zero()) co_await clock_->SleepFor(answer.head_wait);
    if (answer.hangs) co_await Forever();
    record.status = answer.error.ok() ? answer.status : 0;
    record.failed_phase.reset();
    if (!answer.error.ok()) {
      const bool asked = answer.head_wait > Duration::zero();
      record.failed_phase = asked ? Phase::kFirstByte : Phase::kConnect;
    }
    if (!answer.error.ok()) co_return answer.error;
    http::ResponseHead head;
    head.status = answer.status;
    for (const auto& [name, value] : answer.headers) head.headers.Add(name, value);
    auto body = std::make_unique<FakeBody>(std::move(answer.body), clock_);
    for (const auto& [name, value] : answer.trailers) body->trailers.Add(name, value);
    co_return http::Response{std::move(head), answer.content_length, request.url, std::move(body)};
  }

  std::vector<http::Request> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  /// A header of the n-th request; empty when absent.
  std::string Header(std::size_t n, std::string_view name) const {
    const std::vector<http::Request> all = requests();
    if (n >= all.size()) return "";
    for (const http::Header& header : all[n].headers) {
      if (header.name == name) return header.value;
    }
    return "";
  }

 private:
  Handler handler_;
  Clock* const clock_;
  mutable std::mutex mutex_;
  std::vector<http::Request> requests_;
};

}  // namespace fetchd::testing
