// Bodies of OnShard and RunBlocking.
#pragma once

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <utility>

namespace fetchd::runtime {

namespace internal {

template <typename T>
struct OutcomeSignature {
  using type = void(std::exception_ptr, T);
};
template <>
struct OutcomeSignature<void> {
  using type = void(std::exception_ptr);
};

/// Of a loop that no thread runs: see Runtime.
class Stepper final : public asio::execution_context::service {
 public:
  using key_type = Stepper;
  inline static asio::execution_context::id id;
  explicit Stepper(asio::execution_context& context) : service(context) {}
  std::function<void()> step;

 private:
  void shutdown() override {}
};

/// Spawns on `executor`. co_spawn's own forwarding of a cancellation posts a pointer into the
/// caller's slot, which dangles when the task ends at that moment; this one shares the signal.
template <typename T>
struct SpawnOnShard {
  template <typename Handler>
  void operator()(Handler handler, asio::any_io_executor executor, Task<T> task) const {
    auto signal = std::make_shared<asio::cancellation_signal>();
    if (auto slot = asio::get_associated_cancellation_slot(handler); slot.is_connected()) {
      slot.assign([executor, signal](asio::cancellation_type type) {
        asio::post(executor, [signal, type] { signal->emit(type); });
      });
    }
    const auto caller = asio::get_associated_executor(handler);
    auto resume = [signal, handler = std::move(handler)](std::exception_ptr error,
                                                         auto&&... value) mutable {
      std::move(handler)(error, std::forward<decltype(value)>(value)...);
    };
    asio::co_spawn(executor, std::move(task),
                   asio::bind_executor(
                       caller, asio::bind_cancellation_slot(signal->slot(), std::move(resume))));
  }
};

}  // namespace internal

template <typename T>
Task<T> OnShard(asio::any_io_executor executor, Task<T> task) {
  using Signature = typename internal::OutcomeSignature<T>::type;
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, Signature>(
      internal::SpawnOnShard<T>(), asio::use_awaitable, std::move(executor), std::move(task));
}

template <typename T>
T RunBlocking(asio::any_io_executor executor, Task<T> task) {
  asio::execution_context& context = asio::query(executor, asio::execution::context);
  auto outcome = asio::co_spawn(std::move(executor), std::move(task), asio::use_future);
  if (asio::has_service<internal::Stepper>(context)) {
    const std::function<void()>& step = asio::use_service<internal::Stepper>(context).step;
    while (outcome.wait_for(std::chrono::seconds(0)) != std::future_status::ready) step();
  }
  return outcome.get();
}

}  // namespace fetchd::runtime
