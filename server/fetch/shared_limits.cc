#include "fetch/shared_limits.h"

#include <utility>

namespace fetchd::fetch {

SharedLimits::SharedLimits(runtime::Runtime& runtime, Clock& clock, jobs::AllotmentStore& store,
                           UrlOptions url)
    : store_(store),
      allotments_(runtime.shard(0).executor(), clock, store),
      exchange_(runtime.shard(0).executor(), clock, store, url),
      promised_(allotments_),
      hosts_(allotments_),
      origins_(allotments_, promised_, exchange_),
      tenants_(allotments_, promised_),
      tasks_(runtime.shard(0).executor()) {
  allotments_.Serve(promised_);
  allotments_.Serve(hosts_);
  allotments_.Serve(origins_);
  allotments_.Serve(tenants_);
}

void SharedLimits::Serve(OriginPacer& pacer, std::function<std::vector<TenantUse>()> tenants) {
  origins_.Serve(pacer);
  exchange_.Serve(pacer);
  tenants_.Serve(std::move(tenants));
}

void SharedLimits::Start(http::HostBudget& budget) {
  hosts_.Serve(&budget);
  store_.OnNews([this] {
    allotments_.News();
    exchange_.News();
  });
  tasks_.Spawn("allotments", allotments_.Run());
  tasks_.Spawn("cool-downs", exchange_.Run());
  running_ = true;
}

void SharedLimits::Stop() {
  if (!std::exchange(running_, false)) return;
  store_.OnNews(nullptr);
  allotments_.Stop();
  exchange_.Stop();
  runtime::RunBlocking(tasks_.executor(), tasks_.Join());
  hosts_.Serve(nullptr);
}

}  // namespace fetchd::fetch
