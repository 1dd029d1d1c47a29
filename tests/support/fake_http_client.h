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
  enum class Kind { kBytes, kError, kHang };
  Kind kind = Kind::kBytes;
  std::string bytes;
  absl::Status error;
  static BodyStep Bytes(std::string bytes) { return {Kind::kBytes, std::move(bytes), {}}; }
  static BodyStep Error(absl::Status error) { return {Kind::kError, "", std::move(error)}; }
  /// Until the reader is cancelled.
  static BodyStep Hang() { return {Kind::kHang, "", {}}; }
};

struct FakeAnswer {
  absl::Status error;  ///< No head at all.
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::optional<std::uint64_t> content_length;
  std::vector<BodyStep> body;
};

/// Every Read suspends once, so that tests can cancel there.
class FakeBody final : public http::Body {
 public:
  explicit FakeBody(std::vector<BodyStep> steps) : steps_(std::move(steps)) {
    std::reverse(steps_.begin(), steps_.end());
  }
  Task<absl::StatusOr<std::size_t>> Read(std::span<std::byte> out) override {
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    while (!steps_.empty() && steps_.back().kind == BodyStep::Kind::kBytes &&
           steps_.back().bytes.empty()) {
      steps_.pop_back();
    }
    if (steps_.empty()) co_return 0;
    BodyStep& step = steps_.back();
    if (step.kind == BodyStep::Kind::kError) co_return step.error;
    if (step.kind == BodyStep::Kind::kHang) {
      asio::steady_timer never(co_await asio::this_coro::executor,
                               asio::steady_timer::time_point::max());
      co_await never.async_wait(asio::use_awaitable);
    }
    const std::size_t size = std::min(out.size(), step.bytes.size());
    std::memcpy(out.data(), step.bytes.data(), size);
    step.bytes.erase(0, size);
    co_return size;
  }
  std::size_t Buffered() const override { return 0; }

 private:
  std::vector<BodyStep> steps_;  ///< The next one last.
};

/// Thread-safe when its handler is.
class FakeHttpClient final : public http::Client {
 public:
  using Handler = std::function<FakeAnswer(const http::Request&)>;
  explicit FakeHttpClient(Handler handler) : handler_(std::move(handler)) {}

  Task<absl::StatusOr<http::Response>> Send(http::Request request, http::Call call) override {
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    FakeAnswer answer = handler_(request);
    if (call.records != nullptr) {
      http::ExchangeRecord record;
      record.url = request.url.Redacted();
      record.status = answer.error.ok() ? answer.status : 0;
      if (!answer.error.ok()) record.failed_phase = Phase::kConnect;
      call.records->push_back(std::move(record));
    }
    if (!answer.error.ok()) co_return answer.error;
    http::ResponseHead head;
    head.status = answer.status;
    for (const auto& [name, value] : answer.headers) head.headers.Add(name, value);
    auto body = std::make_unique<FakeBody>(std::move(answer.body));
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
  mutable std::mutex mutex_;
  std::vector<http::Request> requests_;
};

}  // namespace fetchd::testing
