// WatchBatches: each batch as it is now, whenever it has changed.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "fetchd/v1/batch_service.pb.h"
#include "rpc/auth.h"
#include "rpc/bridge.h"
#include "rpc/context.h"
#include "rpc/waker.h"

namespace fetchd::rpc {

/// A WatchBatchesRequest, checked.
struct BatchWatchSpec {
  Principal caller;
  std::vector<BatchId> ids;
  Duration interval = std::chrono::milliseconds(250);
  bool until_done = false;
};
absl::StatusOr<BatchWatchSpec> FromProto(const v1::WatchBatchesRequest& request,
                                         const Principal& caller);

/// One watch. Lives in the task that runs it, on one shard.
class BatchWatch {
 public:
  using Writer = MessageWriter<v1::WatchBatchesResponse>;

  BatchWatch(const ServerDeps& deps, WakerHub& hub, BatchWatchSpec spec, Writer& writer)
      : deps_(deps), hub_(hub), spec_(std::move(spec)), writer_(writer) {}

  /// OK once every batch has ended (until_done); UNAVAILABLE with RetryInfo when watching ends,
  /// after the last changes; NOT_FOUND for a batch that there is not, or no more.
  Task<absl::Status> Run();

 private:
  /// Sends those that have changed since they were sent.
  Task<absl::Status> SendChanged();

  const ServerDeps& deps_;
  WakerHub& hub_;
  const BatchWatchSpec spec_;
  Writer& writer_;
  std::unordered_map<BatchId, std::int64_t> sent_;  ///< Versions.
  std::size_t ended_ = 0;                           ///< At the last look.
};

}  // namespace fetchd::rpc
