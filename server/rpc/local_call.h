// A call of our own server by our own process: the road of every other call, without a socket.
#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/task.h"
#include "base/time.h"
#include "rpc/waker.h"

namespace fetchd::rpc {

/// What a call of this process brings along.
struct LocalCallSpec {
  std::string method;                                         ///< "/fetchd.v1.FetchService/GetJob"
  std::string request;                                        ///< Serialized.
  std::vector<std::pair<std::string, std::string>> metadata;  ///< Keys in lower case.
  std::optional<WallTime> deadline;
};

/// Calls that gRPC is not done with. Their executors outlive it. Thread-safe.
class LocalCalls {
 public:
  LocalCalls() = default;
  LocalCalls(const LocalCalls&) = delete;
  LocalCalls& operator=(const LocalCalls&) = delete;
  ~LocalCalls();  ///< Waits for the last one; all of them have been abandoned or have ended.
  /// One more, until it is dropped.
  std::shared_ptr<void> Count();

 private:
  void Forget();

  std::mutex mutex_;
  std::condition_variable none_left_;
  std::size_t live_ = 0;  ///< Guarded by mutex_.
};

/// Any method of one request; its answers one by one, none of which is asked for before the one
/// before it was taken. gRPC's threads complete it, one task awaits it on the executor. Made with
/// make_shared; lives until gRPC is done with it.
class LocalCall final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                        public std::enable_shared_from_this<LocalCall> {
 public:
  /// On a thread of gRPC's: what becomes of an answer's bytes.
  using Render = std::function<absl::StatusOr<std::string>(const std::string& message)>;
  enum class News {
    kNone,     ///< The deadline has passed first.
    kOpened,   ///< A stream has begun that may be silent for long. At most once, before messages.
    kMessage,  ///< TakeMessage() has one.
    kEnded,    ///< status() is there; nothing follows.
  };

  LocalCall(LocalCalls& calls, asio::any_io_executor executor, Render render)
      : counted_(calls.Count()),
        render_(std::move(render)),
        waker_(std::make_shared<Waker>(std::move(executor))) {}

  void Start(grpc::GenericStub& stub, const LocalCallSpec& spec);
  Task<News> Await(Clock& clock, Deadline deadline);
  /// INTERNAL for a message that could not be rendered. The next one is asked for.
  absl::StatusOr<std::string> TakeMessage();
  grpc::Status status() const;
  /// Nobody awaits it any more.
  void Abandon();

 private:
  void OnReadInitialMetadataDone(bool ok) override;
  void OnReadDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;
  News Look();
  void ReleaseHold();

  const std::shared_ptr<void> counted_;  ///< First, so that it goes last.
  const Render render_;
  const std::shared_ptr<Waker> waker_;
  grpc::ClientContext context_;
  grpc::ByteBuffer outgoing_, incoming_;
  std::shared_ptr<LocalCall> self_;

  mutable std::mutex mutex_;
  bool opened_ = false;
  bool held_ = false;  ///< A further read may begin: gRPC waits for that.
  std::optional<absl::StatusOr<std::string>> message_;
  std::optional<grpc::Status> status_;
};

/// Abandons the call of whoever drops it.
class LocalCallGuard {
 public:
  explicit LocalCallGuard(std::shared_ptr<LocalCall> call) : call_(std::move(call)) {}
  LocalCallGuard(LocalCallGuard&&) noexcept = default;
  LocalCallGuard& operator=(LocalCallGuard&&) = delete;
  ~LocalCallGuard() {
    if (call_) call_->Abandon();
  }
  LocalCall* operator->() const { return call_.get(); }

 private:
  std::shared_ptr<LocalCall> call_;
};

}  // namespace fetchd::rpc
