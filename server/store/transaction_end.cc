#include "store/transaction_end.h"

#include <map>
#include <set>
#include <utility>

#include "base/strings.h"
#include "store/json.h"

namespace fetchd::store {
namespace {

using Pair = std::pair<std::string, std::string>;

std::string RowsOf(const std::map<Pair, std::int64_t>& sums) {
  json::array rows;
  for (const auto& [key, sum] : sums) {
    if (sum != 0) rows.push_back(json::array{View(key.first), View(key.second), sum});
  }
  return rows.empty() ? std::string() : json::serialize(rows);
}

/// Nothing for no rows.
absl::Status RunFor(Database& database, const char* sql, const std::string& rows) {
  if (rows.empty()) return absl::OkStatus();
  Query query(database, sql, rows);
  return query.Run();
}

// Each event is so many behind the last one.
absl::Status WriteEvents(Database& database, const std::vector<DeferredRows::Event>& events) {
  json::array rows;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const DeferredRows::Event& event = events[i];
    const auto behind = static_cast<std::int64_t>(events.size() - 1 - i);
    if (!event.deleted) {
      rows.push_back(json::array{behind, View(event.job_id), jobs::StateName(event.state),
                                 Nanoseconds(event.at)});
      continue;
    }
    // By itself: its labels may be anything.
    Query query(database,
                "INSERT INTO events (sequence, job_id, state, at, deleted, origin, created_at,"
                " labels, tenant, batch) VALUES ((SELECT value FROM counters WHERE name = 'events')"
                " - ?1, ?2, ?3, ?4, 1, ?5, ?6, ?7, ?8, ?9)",
                behind, event.job_id, jobs::StateName(event.state), event.at, event.origin,
                event.created_at, event.labels, event.tenant, NullWhenEmpty(event.batch));
    RETURN_IF_ERROR(query.Run());
  }
  return RunFor(database,
                "INSERT INTO events (sequence, job_id, state, at)"
                " SELECT (SELECT value FROM counters WHERE name = 'events')"
                " - CAST(item ->> 0 AS bigint), item ->> 1, item ->> 2, CAST(item ->> 3 AS bigint)"
                " FROM json_array_elements(CAST(?1 AS json)) AS rows (item)",
                rows.empty() ? std::string() : json::serialize(rows));
}

absl::Status WriteFigures(Database& database, const DeferredRows& deferred) {
  std::map<Pair, std::pair<std::int64_t, std::int64_t>> counters;
  std::map<Pair, std::int64_t> errors;
  for (const DeferredRows::Figure& figure : deferred.figures()) {
    auto& [objects, bytes] = counters[{figure.batch.str(), jobs::EntryFateName(figure.share.fate)}];
    objects += figure.sign;
    bytes += figure.sign * static_cast<std::int64_t>(figure.share.bytes);
    if (figure.share.error.empty()) continue;
    errors[{figure.batch.str(), figure.share.error}] += figure.sign;
  }
  json::array rows;
  for (const auto& [key, sums] : counters) {
    rows.push_back(json::array{View(key.first), View(key.second), sums.first, sums.second});
  }
  // Sums stop at the largest number. A batch may be gone by now.
  RETURN_IF_ERROR(RunFor(
      database,
      "INSERT INTO batch_counters AS c (batch, fate, objects, bytes)"
      " SELECT item ->> 0, item ->> 1, CAST(item ->> 2 AS bigint), CAST(item ->> 3 AS bigint)"
      " FROM json_array_elements(CAST(?1 AS json)) AS rows (item)"
      " WHERE EXISTS (SELECT 1 FROM batches WHERE id = item ->> 0)"
      " ON CONFLICT (batch, fate) DO UPDATE SET objects = c.objects + excluded.objects,"
      " bytes = CAST(least(CAST(c.bytes AS numeric) + excluded.bytes, 9223372036854775807)"
      " AS bigint)",
      rows.empty() ? std::string() : json::serialize(rows)));
  return RunFor(database,
                "INSERT INTO batch_errors AS c (batch, error_kind, count)"
                " SELECT item ->> 0, item ->> 1, CAST(item ->> 2 AS bigint)"
                " FROM json_array_elements(CAST(?1 AS json)) AS rows (item)"
                " WHERE EXISTS (SELECT 1 FROM batches WHERE id = item ->> 0)"
                " ON CONFLICT (batch, error_kind) DO UPDATE SET count = c.count + excluded.count",
                RowsOf(errors));
}

absl::Status WriteTouches(Database& database, const DeferredRows& deferred) {
  std::map<std::string, std::pair<std::int64_t, std::int64_t>> touches;
  for (const DeferredRows::Touch& touch : deferred.touches()) {
    auto& [times, at] = touches[touch.batch.str()];
    times += 1;
    at = Nanoseconds(touch.at);
  }
  json::array rows;
  for (const auto& [batch, touch] : touches) {
    rows.push_back(json::array{View(batch), touch.first, touch.second});
  }
  return RunFor(database,
                "UPDATE batches AS b SET version = version + CAST(item ->> 1 AS bigint),"
                " updated_at = CAST(item ->> 2 AS bigint)"
                " FROM json_array_elements(CAST(?1 AS json)) AS rows (item)"
                " WHERE b.id = item ->> 0",
                rows.empty() ? std::string() : json::serialize(rows));
}

absl::Status AdmitEntries(Database& database, const DeferredRows& deferred) {
  std::set<std::pair<std::string, std::int64_t>> entries;
  for (const auto& [batch, entry] : deferred.entries()) entries.emplace(batch.str(), entry);
  json::array rows;
  for (const auto& [batch, entry] : entries) rows.push_back(json::array{View(batch), entry});
  return RunFor(database,
                "SELECT admit_entry(item ->> 0, CAST(item ->> 1 AS bigint))"
                " FROM json_array_elements(CAST(?1 AS json)) AS rows (item)",
                rows.empty() ? std::string() : json::serialize(rows));
}

absl::Status WriteCounts(Database& database, const Census& census) {
  std::map<Pair, std::int64_t> sums;
  for (const Census::Move& move : census.moves()) {
    if (move.from) sums[{move.tenant, jobs::StateName(*move.from)}] -= 1;
    if (move.to) sums[{move.tenant, jobs::StateName(*move.to)}] += 1;
  }
  return RunFor(database,
                "INSERT INTO job_counts AS c (tenant, state, jobs)"
                " SELECT item ->> 0, item ->> 1, CAST(item ->> 2 AS bigint)"
                " FROM json_array_elements(CAST(?1 AS json)) AS rows (item)"
                " ON CONFLICT (tenant, state) DO UPDATE SET jobs = c.jobs + excluded.jobs",
                RowsOf(sums));
}

// Of the bodies at one destination the last one counts. A job that is gone brings none after that.
absl::Status WriteBodies(Database& database, const DeferredRows& deferred) {
  std::map<std::string, const DeferredRows::Body*> at;
  for (const DeferredRows::Body& body : deferred.bodies()) at[body.destination] = &body;
  json::array placed;
  for (const auto& [destination, body] : at) {
    placed.push_back(json::array{View(HexEncode(destination)), View(body->job_id),
                                 View(body->tenant), body->bytes});
  }
  RETURN_IF_ERROR(
      RunFor(database, kCountBodies, placed.empty() ? std::string() : json::serialize(placed)));
  json::array gone;
  for (const DeferredRows::Forgotten& job : deferred.forgotten())
    gone.emplace_back(View(job.job_id));
  return RunFor(database, kUncountBodies, gone.empty() ? std::string() : json::serialize(gone));
}

}  // namespace

absl::Status WriteEnd(Database& database, const DeferredRows& deferred, const Effects& effects,
                      const std::string& replica, std::int64_t& last_sequence) {
  const bool shown = !deferred.events().empty() || effects.batch_changed();
  if (!shown && effects.census().moves().empty()) return absl::OkStatus();
  Query lock(database,
             "UPDATE counters SET value = value + ?1 WHERE name = 'events' RETURNING value",
             deferred.events().size());
  RETURN_IF_ERROR(lock.Run(&last_sequence));
  RETURN_IF_ERROR(AdmitEntries(database, deferred));
  RETURN_IF_ERROR(WriteEvents(database, deferred.events()));
  RETURN_IF_ERROR(WriteFigures(database, deferred));
  RETURN_IF_ERROR(WriteTouches(database, deferred));
  RETURN_IF_ERROR(WriteCounts(database, effects.census()));
  RETURN_IF_ERROR(WriteBodies(database, deferred));
  if (!shown) return absl::OkStatus();
  Query notify(database, "SELECT pg_notify('fetchd', ?1)", replica);
  return notify.Run();
}

}  // namespace fetchd::store
