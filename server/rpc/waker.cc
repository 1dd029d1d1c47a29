#include "rpc/waker.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace fetchd::rpc {

Waker::Waker(asio::any_io_executor executor)
    : executor_(std::move(executor)), bell_(executor_, asio::steady_timer::time_point::max()) {}

void Waker::Ring() {
  if (rung_.exchange(true, std::memory_order_acq_rel)) return;
  asio::post(executor_, [self = shared_from_this()] { self->bell_.cancel(); });
}

Task<absl::StatusOr<bool>> Waker::Wait() {
  while (!rung_.exchange(false, std::memory_order_acq_rel)) co_await bell_.async_wait(kTuple);
  co_return true;
}

WakerHub::WakerHub(jobs::Store& store)
    : store_(store), listener_(store.OnEvents([this] { RingAll(); })) {}

WakerHub::~WakerHub() { store_.RemoveListener(listener_); }

std::shared_ptr<Waker> WakerHub::Make(asio::any_io_executor executor) {
  auto waker = std::make_shared<Waker>(std::move(executor));
  const std::lock_guard lock(mutex_);
  wakers_.push_back(waker);
  return waker;
}

void WakerHub::End() {
  ended_.store(true, std::memory_order_release);
  RingAll();
}

void WakerHub::RingAll() {
  const std::lock_guard lock(mutex_);
  std::erase_if(wakers_, [](const std::weak_ptr<Waker>& weak) {
    const auto waker = weak.lock();
    if (waker != nullptr) waker->Ring();
    return waker == nullptr;
  });
}

}  // namespace fetchd::rpc
