#include "store/ready_jobs.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <queue>
#include <tuple>
#include <utility>

namespace fetchd::store {
namespace {

constexpr std::int64_t kNoPriority = std::numeric_limits<std::int64_t>::max();  // Above every one.
constexpr Duration kPointOfPriority = std::chrono::seconds(6);

/// The first job, of those not taken yet, of one lane at one priority.
struct Head {
  WallTime rank;  ///< Earlier goes first.
  std::string id;
  WallTime ready_at;
  LaneCursor lane;
  std::int64_t priority = 0;

  friend bool operator>(const Head& a, const Head& b) {
    return std::tie(a.rank, a.id) > std::tie(b.rank, b.id);
  }
};

using Heads = std::priority_queue<Head, std::vector<Head>, std::greater<>>;

absl::StatusOr<std::optional<std::string>> TenantAfter(Database& database,
                                                       const std::string& tenant) {
  Query query(database, kNextTenant, tenant);
  ASSIGN_OR_RETURN(const bool found, query.Step());
  if (!found) return std::nullopt;
  return query.Text(0);
}

absl::StatusOr<std::optional<LaneCursor>> LaneAfter(Database& database, const std::string& tenant,
                                                    const LaneCursor& lane) {
  Query same(database, kNextLaneOfOrigin, tenant, lane.origin, lane.retry);
  ASSIGN_OR_RETURN(const bool another, same.Step());
  if (another) return LaneCursor{lane.origin, static_cast<int>(same.Int(0))};
  Query query(database, kNextLane, tenant, lane.origin);
  ASSIGN_OR_RETURN(const bool found, query.Step());
  if (!found) return std::nullopt;
  return LaneCursor{query.Text(0), static_cast<int>(query.Int(1))};
}

absl::StatusOr<std::optional<std::int64_t>> PriorityBelow(Database& database,
                                                          const std::string& tenant,
                                                          const LaneCursor& lane,
                                                          std::int64_t priority) {
  Query query(database, kNextPriority, tenant, lane.origin, lane.retry, priority);
  ASSIGN_OR_RETURN(const bool found, query.Step());
  if (!found) return std::nullopt;
  return query.Int(0);
}

/// Takes a place in the room, if there is one.
bool Take(jobs::Room& room, bool retry) {
  if (room.jobs <= 0 || (retry && room.retries <= 0)) return false;
  room.jobs -= 1;
  if (retry) room.retries -= 1;
  return true;
}

/// Each origin is asked for its room once.
class OriginRooms {
 public:
  OriginRooms(const jobs::RoomOf& room_of, int limit) : room_of_(room_of), limit_(limit) {}

  jobs::Room& Of(const std::string& origin) {
    const auto [entry, first] = rooms_.try_emplace(origin, jobs::Room{limit_, limit_});
    if (first && room_of_) entry->second = room_of_(origin);
    return entry->second;
  }
  bool HasRoomFor(const LaneCursor& lane) {
    jobs::Room room = Of(lane.origin);
    return Take(room, lane.retry > 0);
  }

 private:
  const jobs::RoomOf& room_of_;
  const int limit_;
  std::map<std::string, jobs::Room> rooms_;
};

jobs::Share ShareOf(const jobs::Rooms& rooms, const std::string& tenant, int limit) {
  return rooms.of_tenant ? rooms.of_tenant(tenant) : jobs::Share{.jobs = limit};
}

absl::StatusOr<std::optional<WallTime>> FirstDueAt(Database& database) {
  Query query(database, kFirstDueAt);
  ASSIGN_OR_RETURN(const bool found, query.Step());
  if (!found) return std::nullopt;
  return query.Time(0);
}

/// Up to `most` tenants behind `cursor`, once around; the cursor ends at the last one.
absl::StatusOr<std::vector<std::string>> TenantsInTurn(Database& database, std::size_t most,
                                                       std::string& cursor) {
  std::vector<std::string> tenants;
  const std::string begin = cursor;
  bool wrapped = false;
  while (tenants.size() < most) {
    ASSIGN_OR_RETURN(std::optional<std::string> tenant, TenantAfter(database, cursor));
    if (!tenant && wrapped) break;
    wrapped = wrapped || !tenant;
    cursor = tenant.value_or("");
    if (!tenant) continue;
    if (wrapped && cursor > begin) break;
    tenants.push_back(*std::move(tenant));
  }
  return tenants;
}

/// The ready jobs of one tenant, the first of each lane and priority at hand.
class TenantQueue {
 public:
  TenantQueue(Database& database, WallTime now, std::string tenant, jobs::Share share)
      : database_(database), now_(now), tenant_(std::move(tenant)), share_(share) {}

  const std::string& tenant() const { return tenant_; }
  double weight() const { return share_.weight; }

  /// Once around the lanes behind `cursor`, at most `most` of them. True when that was all; else
  /// the cursor is at the last one.
  absl::StatusOr<bool> Collect(std::size_t most, OriginRooms& rooms, LaneCursor& cursor) {
    const LaneCursor begin = cursor;
    const bool from_first = begin.retry < 0;
    bool wrapped = false;
    for (std::size_t lanes = 0; lanes < most;) {
      ASSIGN_OR_RETURN(std::optional<LaneCursor> lane, LaneAfter(database_, tenant_, cursor));
      if (!lane && (from_first || wrapped)) return true;
      if (!lane) {
        wrapped = true;
        cursor = LaneCursor();
        continue;
      }
      if (wrapped && std::tie(lane->origin, lane->retry) > std::tie(begin.origin, begin.retry)) {
        return true;
      }
      cursor = *std::move(lane);
      ++lanes;
      if (rooms.HasRoomFor(cursor)) RETURN_IF_ERROR(PushLane(cursor));
    }
    return false;
  }

  /// The next job that there is room for; nullopt when there is none.
  absl::StatusOr<std::optional<std::string>> TakeNext(OriginRooms& rooms) {
    while (share_.jobs > 0 && !heads_.empty()) {
      Head head = heads_.top();
      heads_.pop();
      // No place left: nor is there one for what comes behind it.
      if (!Take(rooms.Of(head.lane.origin), head.lane.retry > 0)) continue;
      share_.jobs -= 1;
      std::string id = head.id;
      RETURN_IF_ERROR(PushNext(std::move(head)));
      return id;
    }
    return std::nullopt;
  }

 private:
  /// Adds the job behind `head` in its lane and priority, if it is ready.
  absl::Status PushNext(Head head) {
    Query query(database_, kNextJob, tenant_, head.lane.origin, head.lane.retry, head.priority,
                head.ready_at, head.id);
    ASSIGN_OR_RETURN(const bool found, query.Step());
    if (!found || query.Time(0) > now_) return absl::OkStatus();
    const auto ahead =
        std::chrono::duration_cast<WallTime::duration>(head.priority * kPointOfPriority);
    head.ready_at = query.Time(0);
    head.id = query.Text(1);
    head.rank = head.ready_at - ahead;
    heads_.push(std::move(head));
    return absl::OkStatus();
  }

  /// Adds the first ready job of each priority of a lane.
  absl::Status PushLane(const LaneCursor& lane) {
    std::optional<std::int64_t> priority = kNoPriority;
    while (true) {
      ASSIGN_OR_RETURN(priority, PriorityBelow(database_, tenant_, lane, *priority));
      if (!priority) return absl::OkStatus();
      Head before{
          .rank = {}, .id = "", .ready_at = WallTime::min(), .lane = lane, .priority = *priority};
      RETURN_IF_ERROR(PushNext(std::move(before)));
    }
  }

  Database& database_;
  const WallTime now_;
  const std::string tenant_;
  jobs::Share share_;
  Heads heads_;
};

/// A queue for each tenant whose turn it may be.
absl::StatusOr<std::vector<TenantQueue>> CollectQueues(Database& database, WallTime now, int limit,
                                                       const jobs::Rooms& rooms,
                                                       OriginRooms& origin_rooms, ClaimOrder& order,
                                                       ClaimBounds bounds) {
  ASSIGN_OR_RETURN(const std::vector<std::string> tenants,
                   TenantsInTurn(database, bounds.tenants, order.tenant));
  const std::size_t lanes =
      std::max(bounds.lanes / std::max(tenants.size(), std::size_t{1}), kFewestLanes);
  std::vector<TenantQueue> queues;
  for (const std::string& tenant : tenants) {
    const jobs::Share share = ShareOf(rooms, tenant, limit);
    if (share.jobs <= 0) continue;
    TenantQueue queue(database, now, tenant, share);
    const auto known = order.lanes.find(tenant);
    LaneCursor cursor = known == order.lanes.end() ? LaneCursor() : known->second;
    ASSIGN_OR_RETURN(const bool all, queue.Collect(lanes, origin_rooms, cursor));
    if (all) {
      order.lanes.erase(tenant);
    } else {
      order.lanes[tenant] = std::move(cursor);
    }
    queues.push_back(std::move(queue));
  }
  return queues;
}

/// When the first job of a tenant becomes ready whose origin has room, or `now`; `earliest` when
/// none does before.
absl::StatusOr<std::optional<WallTime>> FirstReadyOf(Database& database, const std::string& tenant,
                                                     WallTime now, OriginRooms& rooms,
                                                     std::optional<WallTime> earliest) {
  for (LaneCursor at;;) {
    ASSIGN_OR_RETURN(std::optional<LaneCursor> lane, LaneAfter(database, tenant, at));
    if (!lane) return earliest;
    at = *std::move(lane);
    if (!rooms.HasRoomFor(at)) continue;
    std::optional<std::int64_t> priority = kNoPriority;
    while (true) {
      ASSIGN_OR_RETURN(priority, PriorityBelow(database, tenant, at, *priority));
      if (!priority) break;
      Query first(database, kNextJob, tenant, at.origin, at.retry, *priority, WallTime::min(), "");
      ASSIGN_OR_RETURN(const bool found, first.Step());
      if (found && first.Time(0) <= now) return now;
      if (found && (!earliest || first.Time(0) < *earliest)) earliest = first.Time(0);
    }
  }
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ReadyJobs(Database& database, WallTime now, int limit,
                                                   const jobs::Rooms& rooms, ClaimOrder& order,
                                                   ClaimBounds bounds) {
  std::vector<std::string> ids;
  ASSIGN_OR_RETURN(const std::optional<WallTime> due, FirstDueAt(database));
  if (!due || *due > now) return ids;
  OriginRooms origin_rooms(rooms.of_origin, limit);
  ASSIGN_OR_RETURN(std::vector<TenantQueue> queues,
                   CollectQueues(database, now, limit, rooms, origin_rooms, order, bounds));
  using Turn = std::pair<double, std::size_t>;  // Of the queue with that number.
  std::priority_queue<Turn, std::vector<Turn>, std::greater<>> turns;
  for (std::size_t i = 0; i < queues.size(); ++i) {
    turns.emplace(order.turns.TagOf(queues[i].tenant()), i);
  }
  while (!turns.empty() && static_cast<int>(ids.size()) < limit) {
    const std::size_t number = turns.top().second;
    TenantQueue& queue = queues[number];
    turns.pop();
    ASSIGN_OR_RETURN(std::optional<std::string> id, queue.TakeNext(origin_rooms));
    if (!id) continue;
    ids.push_back(*std::move(id));
    order.turns.Take(queue.tenant(), queue.weight());
    turns.emplace(order.turns.TagOf(queue.tenant()), number);
  }
  order.turns.Tidy();
  return ids;
}

absl::StatusOr<std::optional<WallTime>> OldestReadyAt(Database& database, WallTime now) {
  ASSIGN_OR_RETURN(const std::optional<WallTime> due, FirstDueAt(database));
  return due && *due <= now ? due : std::nullopt;
}

absl::StatusOr<std::optional<WallTime>> NextReadyAt(Database& database, WallTime now,
                                                    const jobs::Rooms& rooms) {
  ASSIGN_OR_RETURN(const std::optional<WallTime> due, FirstDueAt(database));
  if (!due || *due > now) return due;
  OriginRooms origin_rooms(rooms.of_origin, 1);
  std::optional<WallTime> next;
  std::string tenant;
  while (true) {
    ASSIGN_OR_RETURN(const std::optional<std::string> another, TenantAfter(database, tenant));
    if (!another) return next;
    tenant = *another;
    if (ShareOf(rooms, tenant, 1).jobs <= 0) continue;
    ASSIGN_OR_RETURN(next, FirstReadyOf(database, tenant, now, origin_rooms, next));
    if (next && *next <= now) return now;
  }
}

}  // namespace fetchd::store
