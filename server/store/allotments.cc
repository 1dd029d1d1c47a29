#include "store/allotments.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <span>
#include <string>
#include <utility>

#include "jobs/fair_shares.h"
#include "store/json.h"
#include "store/postgres_session.h"

namespace fetchd::store {

using jobs::Allotment;
using jobs::AllotmentAsk;
using jobs::Allotted;
using jobs::CoolDown;
using jobs::Standing;

// `counts` is in postgres_schema.cc.
const char kStandings[] =
    "SELECT a.key, a.replica, a.slots, a.wanted"
    " FROM allotments AS a JOIN replicas AS r ON r.id = a.replica"
    " WHERE a.key = ANY (ARRAY(SELECT json_array_elements_text(CAST(?1 AS json))))"
    " AND counts(r, ?2)";

namespace {

/// In a transaction: each locks.
constexpr std::size_t kMostKeys = 100;
/// How long who has one of the few slots that there are keeps it, when others want it too.
constexpr std::int64_t kTurnSeconds = 30;

/// By replica, so that all see them in one order.
using Standings = std::map<std::string, Standing>;

struct Scene {
  std::map<std::string, Standings> keys;
  std::int64_t replicas = 0;
  std::uint64_t turn = 0;
};

absl::StatusOr<Scene> Look(Database& database, std::span<const AllotmentAsk> asks,
                           LeaseTime lease) {
  Scene scene;
  std::vector<std::string> keys;
  for (const AllotmentAsk& ask : asks) keys.push_back(ask.key);
  {
    Query query(database, kStandings, JsonList(keys), lease.count());
    while (true) {
      ASSIGN_OR_RETURN(const bool found, query.Step());
      if (!found) break;
      scene.keys[query.Text(0)][query.Text(1)] = {query.Int(2), query.Int(3)};
    }
  }
  Query query(database,
              "SELECT count(*), CAST(floor(extract(epoch FROM clock_timestamp()) / ?2) AS bigint)"
              " FROM replicas AS r WHERE counts(r, ?1)",
              lease.count(), kTurnSeconds);
  RETURN_IF_ERROR(query.Step().status());
  scene.replicas = query.Int(0);
  scene.turn = static_cast<std::uint64_t>(query.Int(1));
  return scene;
}

struct Plan {
  jobs::Division division;
  bool tell = false;  ///< The others should look.
};

Plan PlanFor(const AllotmentAsk& ask, Standings standings, const std::string& replica,
             std::uint64_t turn) {
  const auto [mine, is_new] = standings.try_emplace(replica);
  const Standing before = mine->second;
  mine->second = {ask.kept, ask.wanted};
  std::vector<Standing> all;
  for (const auto& [id, standing] : standings) all.push_back(standing);
  const auto me = static_cast<std::size_t>(std::distance(standings.begin(), mine));
  Plan plan{jobs::Divide(ask.limit, all, me, turn)};
  const bool gives_back = plan.division.others_lack && plan.division.take < before.slots;
  const bool lacks = plan.division.contended && plan.division.take < ask.wanted;
  const bool lacked = before.slots < before.wanted;
  plan.tell = gives_back || (lacks && !lacked);
  return plan;
}

json::object ToJson(std::size_t place, const AllotmentAsk& ask, const Plan& plan) {
  return {{"place", place},   {"key", View(ask.key)},       {"most", ask.limit},
          {"kept", ask.kept}, {"take", plan.division.take}, {"wanted", ask.wanted}};
}

/// One allotment for each of them, or UNAVAILABLE: it has no lease.
absl::Status Take(Database& database, std::span<const AllotmentAsk> asks,
                  const std::vector<Plan>& plans, const std::string& replica, LeaseTime lease,
                  std::vector<Allotment>& allotments) {
  json::array list;
  for (std::size_t i = 0; i < asks.size(); ++i) list.push_back(ToJson(i, asks[i], plans[i]));
  const bool tell = std::ranges::any_of(plans, &Plan::tell);
  Query query(database,
              "SELECT place, taken FROM take_allotments(?1, ?2, CAST(?3 AS json),"
              " CAST(?4 AS integer) = 1)",
              replica, lease.count(), json::serialize(list), tell ? 1 : 0);
  std::vector<std::int64_t> taken(asks.size(), -1);
  std::size_t rows = 0;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Step());
    if (!found) break;
    taken[static_cast<std::size_t>(query.Int(0))] = query.Int(1);
    ++rows;
  }
  if (rows < asks.size()) {
    return absl::UnavailableError("the lease of this process has passed; it asks when it has one");
  }
  for (std::size_t i = 0; i < asks.size(); ++i) {
    const jobs::Division& division = plans[i].division;
    const std::int64_t keep = division.keep < asks[i].kept ? division.keep : taken[i];
    allotments.push_back({asks[i].key, taken[i], keep, division.contended});
  }
  return absl::OkStatus();
}

}  // namespace

Task<absl::StatusOr<Allotted>> PostgresAllotments::Allot(std::vector<AllotmentAsk> asks,
                                                         std::uint64_t lease) {
  co_return co_await deps_.pool.Run([this, &asks, lease] { return AllotNow(asks, lease); });
}

// What an earlier connection still has under way must not come after what is asked on this one:
// each holds a lock of its own as long as its backend is there.
absl::Status PostgresAllotments::Connect() {
  const bool works =
      database_ != nullptr && !static_cast<PostgresSession&>(database_->session()).broken();
  if (works) return absl::OkStatus();
  database_.reset();
  ASSIGN_OR_RETURN(std::unique_ptr<PostgresSession> session, deps_.connect());
  Database database(std::move(session));
  {
    Query end(database,
              "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory'"
              " AND classid = 73066355"
              " AND CAST(objid AS bigint) = (CAST(hashtext(?1) AS bigint) & 4294967295)"
              " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
              lock_name_);
    RETURN_IF_ERROR(end.Step().status());
  }
  {
    Query lock(database, "SELECT 1 FROM pg_advisory_lock(73066355, hashtext(?1))", lock_name_);
    RETURN_IF_ERROR(lock.Step().status());
  }
  database_ = std::make_unique<Database>(std::move(database));
  return absl::OkStatus();
}

absl::StatusOr<Allotted> PostgresAllotments::AllotNow(const std::vector<AllotmentAsk>& asks,
                                                      std::uint64_t lease) {
  const std::lock_guard lock(call_mutex_);
  RETURN_IF_ERROR(Connect());
  const auto [replica, held] = deps_.name.GetWithLease();
  if (held.number != lease) return absl::UnavailableError("the lease is another one by now");
  Allotted allotted;
  for (std::size_t at = 0; at < asks.size(); at += kMostKeys) {
    const std::size_t end = std::min(at + kMostKeys, asks.size());
    const std::span<const AllotmentAsk> some(asks.data() + at, end - at);
    ASSIGN_OR_RETURN(const Scene scene, Look(*database_, some, deps_.lease));
    allotted.replicas = scene.replicas;
    std::vector<Plan> plans;
    for (const AllotmentAsk& ask : some) {
      const auto known = scene.keys.find(ask.key);
      plans.push_back(PlanFor(ask, known == scene.keys.end() ? Standings() : known->second, replica,
                              scene.turn));
    }
    RETURN_IF_ERROR(Take(*database_, some, plans, replica, deps_.lease, allotted.allotments));
  }
  return allotted;
}

Task<absl::Status> PostgresAllotments::Announce(std::vector<CoolDown> cool_downs) {
  co_return co_await deps_.pool.Run([this, &cool_downs] { return AnnounceNow(cool_downs); });
}

Task<absl::StatusOr<std::vector<CoolDown>>> PostgresAllotments::CoolDowns() {
  co_return co_await deps_.pool.Run([this] { return CoolDownsNow(); });
}

absl::Status PostgresAllotments::AnnounceNow(const std::vector<CoolDown>& cool_downs) {
  const std::lock_guard lock(call_mutex_);
  RETURN_IF_ERROR(Connect());
  const std::string replica = deps_.name.Get();
  json::array list;
  for (const CoolDown& one : cool_downs) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(one.left);
    list.push_back({{"origin", View(one.origin)},
                    {"circuit", one.circuit ? 1 : 0},
                    {"left_ms", left.count()}});
  }
  {
    Query forget(*database_, "DELETE FROM cool_downs WHERE until < clock_timestamp()");
    RETURN_IF_ERROR(forget.RunAndCount().status());
  }
  Query announce(*database_,
                 "WITH told AS (INSERT INTO cool_downs AS c SELECT a.origin, a.circuit,"
                 " clock_timestamp() + a.left_ms * interval '1 millisecond', ?1"
                 " FROM json_to_recordset(CAST(?2 AS json))"
                 " AS a (origin TEXT, circuit BIGINT, left_ms BIGINT)"
                 " ORDER BY a.origin, a.circuit"
                 " ON CONFLICT (origin, circuit)"
                 " DO UPDATE SET until = excluded.until, replica = excluded.replica"
                 " WHERE excluded.until > c.until RETURNING 1)"
                 " SELECT pg_notify('fetchd', ?3) FROM (SELECT count(*) AS n FROM told) AS all_told"
                 " WHERE n > 0",
                 replica, json::serialize(list), Concat(kAllotmentNews, replica));
  return announce.Step().status();
}

absl::StatusOr<std::vector<CoolDown>> PostgresAllotments::CoolDownsNow() {
  const std::lock_guard lock(call_mutex_);
  RETURN_IF_ERROR(Connect());
  Query query(*database_,
              "SELECT origin, circuit,"
              " CAST(ceil(extract(epoch FROM until - clock_timestamp()) * 1000) AS bigint),"
              " CAST(extract(epoch FROM until) * 1000 AS bigint)"
              " FROM cool_downs WHERE until > clock_timestamp() AND replica <> ?1",
              deps_.name.Get());
  std::vector<CoolDown> cool_downs;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Step());
    if (!found) return cool_downs;
    cool_downs.push_back(
        {query.Text(0), query.Int(1) != 0, std::chrono::milliseconds(query.Int(2)), query.Int(3)});
  }
}

void PostgresAllotments::OnNews(std::function<void()> callback) {
  const std::lock_guard lock(news_mutex_);
  on_news_ = std::move(callback);
}

void PostgresAllotments::Tell() {
  const std::lock_guard lock(news_mutex_);
  if (on_news_) on_news_();
}

}  // namespace fetchd::store
