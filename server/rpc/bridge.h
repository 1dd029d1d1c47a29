// Between gRPC's reactors and our coroutines: a reactor hands its call to a task and is ended by
// it.
//
// gRPC's threads only start tasks, cancel them and complete their writes. The rules that the
// callback API sets and that are kept here: one write outstanding; one Finish, also after a
// cancellation; nothing after OnDone.
#pragma once

#include <grpc/grpc.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/post.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/status.h"
#include "base/task.h"
#include "base/trace_context.h"
#include "rpc/status.h"
#include "runtime/task_group.h"

namespace fetchd::rpc {

/// A reactor that lives until OnDone, and longer while its task holds it. Made with make_shared.
template <typename Reactor>
class Call : public Reactor, public std::enable_shared_from_this<Call<Reactor>> {
 public:
  /// Before the handler returns; gRPC calls nothing on the reactor until then.
  void HoldUntilDone() { self_ = this->shared_from_this(); }
  void CancelWith(runtime::TaskHandle task) { task_ = std::move(task); }
  /// By which request it was made. Before the handler goes on.
  void Traced(TraceContext trace) { trace_ = std::move(trace); }
  const TraceContext& trace() const { return trace_; }
  /// Called once, with what the call ends with, while its messages are there. Before it starts.
  void OnEnd(std::function<void(const absl::Status&)> on_end) { on_end_ = std::move(on_end); }
  /// The first one counts.
  void End(const absl::Status& status) {
    if (ended_.exchange(true)) return;
    if (on_end_) on_end_(status);
    this->Finish(ToGrpcStatus(status));
  }

  void OnCancel() override { task_.Cancel(); }
  void OnDone() override { const auto last = std::move(self_); }

 private:
  std::shared_ptr<Call> self_;
  runtime::TaskHandle task_;
  std::function<void(const absl::Status&)> on_end_;
  TraceContext trace_;
  std::atomic<bool> ended_{false};
};

using UnaryCall = Call<grpc::ServerUnaryReactor>;

/// In the first metadata of a stream that goes on; a call that is refused has none.
inline constexpr char kStreamMark[] = "fetchd-stream";

/// Where a task writes a stream of messages.
template <typename Message>
class MessageWriter {
 public:
  virtual ~MessageWriter() = default;
  /// Completes when the next message may be written; the wait is backpressure. CANCELLED when the
  /// caller is gone.
  virtual Task<absl::Status> Write(Message message) = 0;
};

/// A stream of messages to the client. One task at a time writes, on any shard. A cancelled Write
/// returns at once: gRPC then still owns the message, and the stream can only be ended.
template <typename Message>
class WriteCall final : public Call<grpc::ServerWriteReactor<Message>>,
                        public MessageWriter<Message> {
 public:
  /// Tells the client that the stream is there, before its first message. By the task, at most
  /// once.
  void SendHeaders() {
    context_->AddInitialMetadata(kStreamMark, "open");
    this->StartSendInitialMetadata();
  }

  /// For SendHeaders() and CutOff(). Before the task starts; `context` is gRPC's, and lives until
  /// the call is done.
  void Of(grpc::CallbackServerContext* context) { context_ = context; }
  /// Ends the call at once, although the caller takes nothing: what was written and not taken is
  /// dropped, and its memory is free. End() would wait behind it. By the task.
  void CutOff(const absl::Status& status) {
    grpc_call_cancel_with_status(context_->c_call(), static_cast<grpc_status_code>(status.code()),
                                 MessageOf(status).c_str(), nullptr);
    this->End(status);
  }

  Task<absl::Status> Write(Message message) override {
    const bool written = co_await asio::async_initiate<const asio::use_awaitable_t<>, void(bool)>(
        [this](auto handler, Message next) { this->Begin(std::move(handler), std::move(next)); },
        asio::use_awaitable, std::move(message));
    if (!written) co_return absl::CancelledError("the caller is gone");
    co_return absl::OkStatus();
  }

  void OnWriteDone(bool ok) override {
    message_ = Message();
    {
      const std::lock_guard lock(mutex_);
      outstanding_ = false;
    }
    Complete(ok);
  }

 private:
  using Completion = std::move_only_function<void(bool written)>;

  template <typename Handler>
  void Begin(Handler handler, Message next) {
    auto executor = asio::get_associated_executor(handler);
    auto slot = asio::get_associated_cancellation_slot(handler);
    Completion completion = [executor, handler = std::move(handler)](bool written) mutable {
      asio::post(executor, [handler = std::move(handler), written]() mutable {
        std::move(handler)(written);
      });
    };
    if (slot.is_connected()) {
      // Weak: the slot keeps its handler after the write is over.
      std::weak_ptr<Call<grpc::ServerWriteReactor<Message>>> weak = this->weak_from_this();
      slot.assign([this, weak](asio::cancellation_type) {
        if (const auto self = weak.lock()) Complete(false);
      });
    }
    if (!Claim(completion)) return completion(false);
    message_ = std::move(next);  // gRPC reads it until OnWriteDone.
    this->StartWrite(&message_);
  }

  /// False while an earlier write, whose task was cancelled, still owns the message.
  bool Claim(Completion& completion) {
    const std::lock_guard lock(mutex_);
    if (outstanding_) return false;
    outstanding_ = true;
    pending_ = std::move(completion);
    return true;
  }

  void Complete(bool written) {
    Completion completion;
    {
      const std::lock_guard lock(mutex_);
      completion = std::exchange(pending_, nullptr);
    }
    if (completion) completion(written);
  }

  grpc::CallbackServerContext* context_ = nullptr;
  std::mutex mutex_;
  Completion pending_;
  bool outstanding_ = false;
  Message message_;
};

/// Ends the call however its task ends: also when that is cancelled, or never runs.
template <typename CallType>
class EndGuard {
 public:
  explicit EndGuard(std::shared_ptr<CallType> call) : call_(std::move(call)) {}
  EndGuard(EndGuard&&) noexcept = default;
  EndGuard& operator=(EndGuard&&) = delete;
  ~EndGuard() {
    if (call_) call_->End(absl::CancelledError("the call was cut short"));
  }
  void End(const absl::Status& status) { call_->End(status); }

 private:
  std::shared_ptr<CallType> call_;
};

template <typename CallType>
Task<absl::Status> RunCall(EndGuard<CallType> guard, Task<absl::Status> body) {
  absl::Status status = co_await std::move(body);
  guard.End(status);
  co_return status;
}

/// Runs `body` as the task of `call`, and ends the call with its status. Returns what a handler
/// returns.
template <typename CallType>
CallType* StartCall(runtime::TaskGroup& group, std::string name, std::shared_ptr<CallType> call,
                    Task<absl::Status> body) {
  call->HoldUntilDone();
  EndGuard<CallType> guard(call);
  call->CancelWith(group.Spawn(std::move(name), RunCall(std::move(guard), std::move(body))));
  return call.get();
}

/// For a call that is answered on the spot.
template <typename CallType>
CallType* EndCall(std::shared_ptr<CallType> call, const absl::Status& status) {
  call->HoldUntilDone();
  call->End(status);
  return call.get();
}

}  // namespace fetchd::rpc
