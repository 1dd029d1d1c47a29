#include "store/ready_jobs.h"

#include <functional>
#include <limits>
#include <map>
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

absl::StatusOr<std::optional<LaneCursor>> LaneAfter(Database& database, const LaneCursor& lane) {
  Query same(database, kNextLaneOfOrigin, lane.origin, lane.retry);
  ASSIGN_OR_RETURN(const bool another, same.Step());
  if (another) return LaneCursor{lane.origin, static_cast<int>(same.Int(0))};
  Query query(database, kNextLane, lane.origin);
  ASSIGN_OR_RETURN(const bool found, query.Step());
  if (!found) return std::nullopt;
  return LaneCursor{query.Text(0), static_cast<int>(query.Int(1))};
}

/// Adds the job behind `head` in its lane and priority, if it is ready at `now`.
absl::Status PushNext(Database& database, Head head, WallTime now, Heads& heads) {
  Query query(database, kNextJob, head.lane.origin, head.lane.retry, head.priority, head.ready_at,
              head.id);
  ASSIGN_OR_RETURN(const bool found, query.Step());
  if (!found || query.Time(0) > now) return absl::OkStatus();
  const auto ahead =
      std::chrono::duration_cast<WallTime::duration>(head.priority * kPointOfPriority);
  head.ready_at = query.Time(0);
  head.id = query.Text(1);
  head.rank = head.ready_at - ahead;
  heads.push(std::move(head));
  return absl::OkStatus();
}

/// Adds the first ready job of each priority of a lane.
absl::Status PushLane(Database& database, const LaneCursor& lane, WallTime now, Heads& heads) {
  std::int64_t below = kNoPriority;
  while (true) {
    {
      Query query(database, kNextPriority, lane.origin, lane.retry, below);
      ASSIGN_OR_RETURN(const bool found, query.Step());
      if (!found) return absl::OkStatus();
      below = query.Int(0);
    }
    Head before{.rank = {}, .id = "", .ready_at = WallTime::min(), .lane = lane, .priority = below};
    RETURN_IF_ERROR(PushNext(database, std::move(before), now, heads));
  }
}

/// Takes a place in the room, if there is one.
bool Take(jobs::Room& room, bool retry) {
  if (room.jobs <= 0 || (retry && room.retries <= 0)) return false;
  room.jobs -= 1;
  if (retry) room.retries -= 1;
  return true;
}

/// Each origin is asked for its room once.
class Rooms {
 public:
  Rooms(const jobs::RoomOf& room_of, int limit) : room_of_(room_of), limit_(limit) {}

  jobs::Room& Of(const std::string& origin) {
    const auto [entry, first] = rooms_.try_emplace(origin, jobs::Room{limit_, limit_});
    if (first && room_of_) entry->second = room_of_(origin);
    return entry->second;
  }

 private:
  const jobs::RoomOf& room_of_;
  const int limit_;
  std::map<std::string, jobs::Room> rooms_;
};

absl::StatusOr<std::optional<WallTime>> FirstDueAt(Database& database) {
  Query query(database, kFirstDueAt);
  ASSIGN_OR_RETURN(const bool found, query.Step());
  if (!found) return std::nullopt;
  return query.Time(0);
}

/// Once around the lanes behind `cursor`, at most `max_lanes` of them; the cursor ends at the last
/// one.
absl::Status CollectHeads(Database& database, WallTime now, int max_lanes, Rooms& rooms,
                          LaneCursor& cursor, Heads& heads) {
  const LaneCursor begin = cursor;
  bool wrapped = false;
  for (int lanes = 0; lanes < max_lanes;) {
    ASSIGN_OR_RETURN(std::optional<LaneCursor> lane, LaneAfter(database, cursor));
    if (!lane && wrapped) return absl::OkStatus();
    if (!lane) {
      wrapped = true;
      cursor = LaneCursor();
      continue;
    }
    if (wrapped && std::tie(lane->origin, lane->retry) > std::tie(begin.origin, begin.retry)) {
      return absl::OkStatus();
    }
    cursor = *lane;
    ++lanes;
    jobs::Room room = rooms.Of(lane->origin);
    if (Take(room, lane->retry > 0)) RETURN_IF_ERROR(PushLane(database, *lane, now, heads));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ReadyJobs(Database& database, WallTime now, int limit,
                                                   const jobs::RoomOf& room_of, LaneCursor& cursor,
                                                   int max_lanes) {
  std::vector<std::string> ids;
  ASSIGN_OR_RETURN(const std::optional<WallTime> due, FirstDueAt(database));
  if (!due || *due > now) return ids;
  Rooms rooms(room_of, limit);
  Heads heads;
  RETURN_IF_ERROR(CollectHeads(database, now, max_lanes, rooms, cursor, heads));
  while (!heads.empty() && static_cast<int>(ids.size()) < limit) {
    Head head = heads.top();
    heads.pop();
    // No place left: nor is there one for what comes behind it.
    if (!Take(rooms.Of(head.lane.origin), head.lane.retry > 0)) continue;
    ids.push_back(head.id);
    RETURN_IF_ERROR(PushNext(database, std::move(head), now, heads));
  }
  return ids;
}

absl::StatusOr<std::optional<WallTime>> NextReadyAt(Database& database, WallTime now,
                                                    const jobs::RoomOf& room_of) {
  ASSIGN_OR_RETURN(const std::optional<WallTime> due, FirstDueAt(database));
  if (!due || *due > now) return due;
  Rooms rooms(room_of, 1);
  std::optional<WallTime> next;
  for (LaneCursor at;;) {
    ASSIGN_OR_RETURN(std::optional<LaneCursor> lane, LaneAfter(database, at));
    if (!lane) return next;
    at = *std::move(lane);
    jobs::Room room = rooms.Of(at.origin);
    if (!Take(room, at.retry > 0)) continue;
    for (std::int64_t below = kNoPriority;;) {
      {
        Query query(database, kNextPriority, at.origin, at.retry, below);
        ASSIGN_OR_RETURN(const bool found, query.Step());
        if (!found) break;
        below = query.Int(0);
      }
      Query first(database, kNextJob, at.origin, at.retry, below, WallTime::min(), "");
      ASSIGN_OR_RETURN(const bool found, first.Step());
      if (found && first.Time(0) <= now) return now;
      if (found && (!next || first.Time(0) < *next)) next = first.Time(0);
    }
  }
}

}  // namespace fetchd::store
