// CreateJobs: many jobs in flight, answers in order.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "fetchd/v1/fetch_service.pb.h"
#include "rpc/auth_gate.h"
#include "rpc/bridge.h"
#include "rpc/call_groups.h"
#include "rpc/job_creator.h"

namespace fetchd::rpc {

/// One stream. Reads ahead until kWindow requests have no answer written, so that the store can
/// group them; each is a task of its own and writes happen in the order of the requests.
/// A caller who goes away takes back nothing: the stream ends, and its audit line is written, when
/// each request that was read has its answer. Thread-safe; made with make_shared, lives until
/// OnDone and its last task.
class CreateJobsCall final
    : public grpc::ServerBidiReactor<v1::CreateJobRequest, v1::CreateJobsResponse>,
      public std::enable_shared_from_this<CreateJobsCall> {
 public:
  static constexpr std::size_t kWindow = 512;

  struct Caller {
    absl::StatusOr<Principal> principal;  ///< An error ends the stream before it is read.
    std::string peer;
    TraceContext trace = {};  ///< That of all its jobs.
  };
  CreateJobsCall(JobCreator& creator, CallGroups& groups, const Gate& gate, Caller caller)
      : creator_(creator), groups_(groups), gate_(gate), caller_(std::move(caller)) {}

  void Start();
  /// Answers what was read, then ends with UNAVAILABLE.
  void EndForDrain();

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { const auto last = std::move(self_); }

 private:
  using Response = v1::CreateJobsResponse;
  /// A request's answer, once there is one. A deque keeps addresses while it grows and shrinks at
  /// its ends.
  using Slot = std::optional<Response>;
  enum class Step { kNone, kRead, kWrite, kFinish };

  /// A request that a task works on. It is answered however the task ends: also when that is
  /// cancelled, or never runs.
  class Asked {
   public:
    Asked(std::shared_ptr<CreateJobsCall> call, Slot* slot) : call_(std::move(call)), slot_(slot) {}
    Asked(Asked&&) noexcept = default;
    Asked& operator=(Asked&&) = delete;
    ~Asked();
    void Answer(Response response);

   private:
    std::shared_ptr<CreateJobsCall> call_;  ///< Null once it is answered.
    Slot* slot_;
  };

  void Accept();
  Task<absl::Status> CreateOne(Asked asked, jobs::Job job);
  Task<absl::Status> CreateInBatch(Asked asked, v1::CreateJobRequest request);
  void Answer(Slot& slot, Response response);
  /// Does whatever can be done now. gRPC is called without the lock held.
  void Advance();
  Step NextStep();  ///< Under the lock; marks the step as begun.

  JobCreator& creator_;
  CallGroups& groups_;
  const Gate& gate_;
  const Caller caller_;
  std::shared_ptr<CreateJobsCall> self_;

  std::mutex mutex_;
  std::deque<Slot>
      slots_;  ///< Oldest first; its front is what is written next, and stays until it was.
  std::size_t unanswered_ = 0;               ///< Of slots_.
  absl::Status end_;                         ///< What the stream ends with.
  std::uint64_t created_ = 0, refused_ = 0;  ///< For the one audit line of the stream.
  bool reading_ = false, writing_ = false;
  bool reads_ended_ = false;  ///< The client has sent all, or nothing more is wanted.
  bool gone_ = false;         ///< The call was cancelled: nobody reads answers.
  bool finished_ = false;
  v1::CreateJobRequest request_;  ///< Written by gRPC, then read by Accept, while reading_.
};

}  // namespace fetchd::rpc
