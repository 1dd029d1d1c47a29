// The limits that this process keeps together with others, all in one place.
#pragma once

#include <functional>
#include <vector>

#include "fetch/allotments.h"
#include "fetch/cool_down_exchange.h"
#include "fetch/promised_slots.h"
#include "fetch/shared_hosts.h"
#include "fetch/shared_origins.h"
#include "fetch/shared_tenants.h"
#include "runtime/runtime.h"
#include "runtime/task_group.h"

namespace fetchd::fetch {

/// Owner: app, where the store is shared. Made before the HTTP client and the engine, started when
/// both are there, stopped before either goes, and destroyed after them.
class SharedLimits {
 public:
  /// References outlive it.
  SharedLimits(runtime::Runtime& runtime, Clock& clock, jobs::AllotmentStore& store,
               UrlOptions url);
  ~SharedLimits() { Stop(); }

  http::HostAllotments& for_client() { return hosts_; }
  SharedHosts& hosts() { return hosts_; }
  SharedOrigins& origins() { return origins_; }
  SharedTenants& tenants() { return tenants_; }
  /// The engine's, before Start().
  void Serve(OriginPacer& pacer, std::function<std::vector<TenantUse>()> tenants);
  /// See PromisedSlots.
  void NoteClaiming(bool now) { promised_.NoteClaiming(now); }
  /// Calls back after something was allotted, or taken away; null: no more, once this returns.
  void OnChange(std::function<void()> callback) { allotments_.OnChange(std::move(callback)); }

  void Start(http::HostBudget& budget);
  /// Blocking; not from a shard. Waits for what is being asked of the store.
  void Stop();

 private:
  jobs::AllotmentStore& store_;
  Allotments allotments_;
  CoolDownExchange exchange_;
  PromisedSlots promised_;
  SharedHosts hosts_;
  SharedOrigins origins_;
  SharedTenants tenants_;
  runtime::TaskGroup tasks_;
  bool running_ = false;
};

}  // namespace fetchd::fetch
