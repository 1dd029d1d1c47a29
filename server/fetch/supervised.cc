#include "fetch/supervised.h"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <utility>

namespace fetchd::fetch {

Supervised::Supervised(asio::any_io_executor executor)
    : group_(std::move(executor), [this](const std::string&, const absl::Status& status) {
        outcome_ = status;
        resume_();
      }) {}

Task<absl::Status> Supervised::Run(std::string name, Task<absl::Status> task) {
  auto initiate = [&](auto handler) {
    auto slot = asio::get_associated_cancellation_slot(handler);
    if (slot.is_connected()) {
      slot.assign([this](asio::cancellation_type) { group_.Cancel(); });
    }
    resume_ = [slot, work = asio::make_work_guard(group_.executor()),
               handler = std::move(handler)]() mutable {
      if (slot.is_connected()) slot.clear();
      // Posted: the group has let go of the task by the time the waiter runs.
      asio::post(work.get_executor(), std::move(handler));
    };
    // Here, not before: a caller that is already cancelled throws instead of starting anything.
    group_.Spawn(std::move(name), std::move(task));
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(initiate,
                                                                        asio::use_awaitable);
  co_return outcome_;
}

}  // namespace fetchd::fetch
