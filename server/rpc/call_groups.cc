#include "rpc/call_groups.h"

#include <utility>

namespace fetchd::rpc {

CallGroups::CallGroups(runtime::Runtime& runtime, runtime::TaskGroup::OnDone on_done)
    : runtime_(runtime) {
  for (std::size_t i = 0; i < runtime.size(); ++i) {
    groups_.push_back(std::make_unique<runtime::TaskGroup>(runtime.shard(i).executor(), on_done));
  }
}

runtime::TaskGroup& CallGroups::Next() {
  return *groups_[next_.fetch_add(1, std::memory_order_relaxed) % groups_.size()];
}

void CallGroups::Stop() {
  for (const auto& group : groups_) group->Cancel();
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    runtime::RunBlocking(runtime_.shard(i).executor(), groups_[i]->Join());
  }
}

}  // namespace fetchd::rpc
