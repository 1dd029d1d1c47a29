#include "rpc/batch_watch.h"

#include <utility>

#include "base/strings.h"
#include "rpc/auth_scope.h"
#include "rpc/convert_batch.h"
#include "rpc/convert_time.h"
#include "rpc/status.h"

namespace fetchd::rpc {
namespace {

constexpr int kMaxBatches = 100;
constexpr Duration kMinInterval = std::chrono::milliseconds(50);
constexpr Duration kMaxInterval = std::chrono::seconds(10);  // A drain waits for it.

}  // namespace

absl::StatusOr<BatchWatchSpec> FromProto(const v1::WatchBatchesRequest& request,
                                         const Principal& caller) {
  BatchWatchSpec spec{.caller = caller};
  if (request.names().empty() || request.names_size() > kMaxBatches) {
    return InvalidField("names", "1 to 100 of them");
  }
  for (int i = 0; i < request.names_size(); ++i) {
    ASSIGN_OR_RETURN(BatchId id, ParseBatchName(request.names(i), Concat("names[", i, "]")));
    spec.ids.push_back(std::move(id));
  }
  if (request.has_interval()) {
    ASSIGN_OR_RETURN(spec.interval, FromProto(request.interval(), "interval"));
    if (spec.interval < kMinInterval || spec.interval > kMaxInterval) {
      return InvalidField("interval", "50 ms to 10 s");
    }
  }
  spec.until_done = request.until_done();
  return spec;
}

Task<absl::Status> BatchWatch::Run() {
  const auto executor = co_await asio::this_coro::executor;
  // Before the first look, so that nothing falls between looking and waiting.
  const std::shared_ptr<Waker> waker = hub_.Make(executor);
  while (true) {
    const bool ending = hub_.ended();
    CO_RETURN_IF_ERROR(co_await SendChanged());
    if (spec_.until_done && ended_ == spec_.ids.size()) co_return absl::OkStatus();
    if (ending) co_return DrainingError();
    const absl::StatusOr<bool> woken = co_await waker->Wait();
    if (!woken.ok()) co_return woken.status();
    // The others that this change brings along are seen together. The end of watching is not
    // waited for longer.
    if (!hub_.ended()) co_await deps_.clock.SleepFor(spec_.interval);
  }
}

Task<absl::Status> BatchWatch::SendChanged() {
  ended_ = 0;
  for (const BatchId& id : spec_.ids) {
    const absl::StatusOr<jobs::Batch> batch = co_await GetOwn(deps_.store, spec_.caller, id);
    if (!batch.ok()) co_return batch.status();
    if (jobs::HasEnded(*batch)) ++ended_;
    const auto sent = sent_.find(id);
    if (sent != sent_.end() && sent->second == batch->version) continue;
    sent_[id] = batch->version;
    const absl::StatusOr<std::vector<jobs::BatchErrors>> errors = co_await deps_.store.ErrorsOf(id);
    if (!errors.ok()) co_return errors.status();
    v1::WatchBatchesResponse response;
    *response.mutable_batch() = ToProto(*batch, *errors);
    CO_RETURN_IF_ERROR(co_await writer_.Write(std::move(response)));
  }
  co_return absl::OkStatus();
}

}  // namespace fetchd::rpc
