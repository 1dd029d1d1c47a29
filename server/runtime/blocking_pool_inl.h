// Body of BlockingPool::Run.
#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/prefer.hpp>
#include <optional>

namespace fetchd::runtime {

namespace internal {

/// The operation "call on `pool`, then resume the handler on its own executor". It has no slot
/// handler, so a cancellation never completes it before `call` has returned.
template <typename Call>
auto AsyncCall(const asio::any_io_executor& pool, Call& call) {
  return asio::async_initiate<const asio::use_awaitable_t<>, void()>(
      [&pool, &call](auto handler) {
        auto executor = asio::get_associated_executor(handler);
        // Keeps the caller's event loop running while nothing else does.
        auto work = asio::prefer(executor, asio::execution::outstanding_work.tracked);
        asio::post(pool, [&call, work = std::move(work), handler = std::move(handler)]() mutable {
          call();
          asio::post(work, std::move(handler));
        });
      },
      asio::use_awaitable);
}

}  // namespace internal

template <typename F>
Task<std::invoke_result_t<F>> BlockingPool::Run(F f) {
  using Result = std::invoke_result_t<F>;
  if constexpr (std::is_void_v<Result>) {
    co_await internal::AsyncCall(executor_, f);
  } else {
    std::optional<Result> result;
    auto call = [&result, &f] { result.emplace(f()); };
    co_await internal::AsyncCall(executor_, call);
    co_return *std::move(result);
  }
}

}  // namespace fetchd::runtime
