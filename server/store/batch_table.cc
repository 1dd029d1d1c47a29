#include "store/batch_table.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "store/batch_codec.h"
#include "store/page_token.h"
#include "store/request_key.h"

namespace fetchd::store {
namespace {

using jobs::Batch;
using jobs::TenantOf;

constexpr int kDefaultBatches = 50;
constexpr int kMostBatches = 1000;

absl::StatusOr<Batch> BatchOfRow(const Query& row) {
  Batch batch;
  ASSIGN_OR_RETURN(batch.id, BatchId::Parse(row.Text(0)));
  batch.display_name = row.Text(1);
  batch.request_id = RequestIdOf(row.Text(2));
  ASSIGN_OR_RETURN(batch.defaults, DecodeDefaults(row.Text(3)));
  batch.created_at = row.Time(4);
  batch.updated_at = row.Time(5);
  batch.sealed = row.Int(6) != 0;
  batch.cancelled = row.Int(7) != 0;
  const auto action = jobs::ParseBatchAction(row.Text(8));
  if (!action) return absl::DataLossError("a stored batch has an unknown action");
  batch.action = *action;
  batch.version = row.Int(9);
  return batch;
}

int BatchesAPage(int wanted) {
  return wanted <= 0 ? kDefaultBatches : std::min(wanted, kMostBatches);
}

absl::StatusOr<std::vector<std::string>> ReadIds(Query& query) {
  std::vector<std::string> ids;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Step());
    if (!found) return ids;
    ids.push_back(query.Text(0));
  }
}

}  // namespace

absl::Status BatchTable::Insert(const Batch& batch) {
  Query query(db_,
              "INSERT INTO batches (id, display_name, request_id, defaults, created_at, updated_at,"
              " sealed, tenant) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
              batch.id.str(), batch.display_name, RequestKey(TenantOf(batch), batch.request_id),
              EncodeDefaults(batch.defaults), batch.created_at, batch.updated_at, batch.sealed,
              TenantOf(batch));
  return query.Run();
}

absl::Status BatchTable::LoadCounters(Batch& batch) {
  Query query(db_, "SELECT fate, objects, bytes FROM batch_counters WHERE batch = ?1",
              batch.id.str());
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Step());
    if (!found) return absl::OkStatus();
    const auto fate = jobs::ParseEntryFate(query.Text(0));
    if (!fate) return absl::DataLossError("a stored batch counts an unknown fate");
    batch.counters.Of(*fate) = {static_cast<std::uint64_t>(query.Int(1)),
                                static_cast<std::uint64_t>(query.Int(2))};
  }
}

absl::StatusOr<Batch> BatchTable::Load(const BatchId& id) {
  Query query(db_, "SELECT " FETCHD_STORE_BATCH_COLUMNS " FROM batches WHERE id = ?1", id.str());
  ASSIGN_OR_RETURN(const bool found, query.Step());
  if (!found) return absl::NotFoundError(Concat("there is no batch ", id.str()));
  ASSIGN_OR_RETURN(Batch batch, BatchOfRow(query));
  RETURN_IF_ERROR(LoadCounters(batch));
  if (deferred_ != nullptr) deferred_->AddTo(batch);
  return batch;
}

absl::StatusOr<std::optional<Batch>> BatchTable::FindRequest(const std::string& tenant,
                                                             const std::string& request_id) {
  Query query(db_, "SELECT id FROM batches WHERE request_id = ?1", RequestKey(tenant, request_id));
  ASSIGN_OR_RETURN(const bool found, query.Step());
  if (!found) return std::nullopt;
  ASSIGN_OR_RETURN(const BatchId id, BatchId::Parse(query.Text(0)));
  ASSIGN_OR_RETURN(Batch batch, Load(id));
  return batch;
}

absl::StatusOr<std::optional<bool>> BatchTable::IsSealed(const BatchId& id) {
  Query query(db_, "SELECT sealed FROM batches WHERE id = ?1", id.str());
  ASSIGN_OR_RETURN(const bool found, query.Step());
  return found ? std::optional(query.Int(0) != 0) : std::nullopt;
}

absl::StatusOr<jobs::BatchPage> BatchTable::List(const std::string& tenant, int page_size,
                                                 const std::string& page_token) {
  std::string before = "~";  // Behind every id.
  if (!page_token.empty()) {
    const auto id = ReadPosition(tenant, page_token);
    const auto parsed = id ? BatchId::Parse(*id) : absl::InvalidArgumentError("");
    if (!parsed.ok()) {
      return WithField(absl::InvalidArgumentError(
                           "page_token is not one that this list of batches returned; begin again"),
                       {"page_token", "not returned by this list of batches"});
    }
    before = parsed->str();
  }
  const int size = BatchesAPage(page_size);
  if (tenant.empty()) {
    Query query(db_, kBatches, before, size + 1);
    return ReadPage(query, tenant, size);
  }
  Query query(db_, kBatchesOfTenant, before, size + 1, tenant);
  return ReadPage(query, tenant, size);
}

absl::StatusOr<jobs::BatchPage> BatchTable::ReadPage(Query& query, const std::string& tenant,
                                                     int size) {
  jobs::BatchPage page;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Step());
    if (!found) break;
    if (static_cast<int>(page.batches.size()) == size) {
      page.next_page_token = MakePosition(tenant, page.batches.back().id.str());
      break;
    }
    ASSIGN_OR_RETURN(Batch batch, BatchOfRow(query));
    page.batches.push_back(std::move(batch));
  }
  for (Batch& batch : page.batches) RETURN_IF_ERROR(LoadCounters(batch));
  return page;
}

absl::Status BatchTable::SaveRequest(const Batch& batch, bool new_action) {
  Query query(db_,
              "UPDATE batches SET sealed = ?2, cancelled = ?3, action = ?4,"
              " action_after = CASE WHEN ?5 = 1 THEN '' ELSE action_after END WHERE id = ?1",
              batch.id.str(), batch.sealed, batch.cancelled, jobs::BatchActionName(batch.action),
              new_action);
  return query.Run();
}

absl::Status BatchTable::SaveActionAfter(const Pending& step, const std::string& after) {
  Query query(db_,
              "UPDATE batches SET action_after = ?4"
              " WHERE id = ?1 AND action = ?2 AND action_after = ?3",
              step.id.str(), jobs::BatchActionName(step.action), step.after, after);
  return query.Run();
}

absl::Status BatchTable::EndAction(const Pending& step) {
  Query query(db_,
              "UPDATE batches SET action = '', action_after = ''"
              " WHERE id = ?1 AND action = ?2 AND action_after = ?3",
              step.id.str(), jobs::BatchActionName(step.action), step.after);
  return query.Run();
}

absl::Status BatchTable::Lock() {
  if (db_.engine() == Engine::kSqlite) return absl::OkStatus();
  Query query(db_, kLockEnds);
  return query.Run();
}

void BatchTable::NoteNew(const BatchId& id, std::int64_t entry) {
  if (deferred_ != nullptr) deferred_->Add(DeferredRows::Entry{id, entry});
}

absl::Status BatchTable::Delete(const BatchId& id) {
  // SQLite's foreign keys would do that; PostgreSQL's would lock batches for each of their entries.
  for (const char* sql : {"DELETE FROM batch_counters WHERE batch = ?1",
                          "DELETE FROM batch_errors WHERE batch = ?1"}) {
    Query rows(db_, sql, id.str());
    RETURN_IF_ERROR(rows.Run());
  }
  Query query(db_, "DELETE FROM batches WHERE id = ?1", id.str());
  return query.Run();
}

absl::StatusOr<std::optional<BatchTable::Pending>> BatchTable::NextPending(
    const std::string& last) {
  for (const std::string& from : {last, std::string()}) {
    Query query(db_, kNextAction, from);
    ASSIGN_OR_RETURN(const bool found, query.Step());
    if (!found) continue;
    ASSIGN_OR_RETURN(BatchId id, BatchId::Parse(query.Text(0)));
    const auto action = jobs::ParseBatchAction(query.Text(2));
    if (!action) return absl::DataLossError("a stored batch has an unknown action");
    return Pending{std::move(id), query.Text(1), *action};
  }
  return std::nullopt;
}

absl::StatusOr<std::optional<std::string>> BatchTable::JobOfEntry(const BatchId& id,
                                                                  std::int64_t entry) {
  Query query(db_, kJobOfEntry, id.str(), entry);
  ASSIGN_OR_RETURN(const bool found, query.Step());
  return found ? std::optional(query.Text(0)) : std::nullopt;
}

absl::StatusOr<std::vector<std::string>> BatchTable::JobsIn(const BatchId& id,
                                                            const std::vector<jobs::State>& states,
                                                            const std::string& after, int limit) {
  std::vector<std::string> ids;
  for (const jobs::State state : states) {
    Query query(db_, kJobsOfBatchInState, id.str(), jobs::StateName(state), after, limit);
    ASSIGN_OR_RETURN(const std::vector<std::string> some, ReadIds(query));
    ids.insert(ids.end(), some.begin(), some.end());
  }
  std::ranges::sort(ids);
  if (ids.size() > static_cast<std::size_t>(limit)) ids.resize(static_cast<std::size_t>(limit));
  return ids;
}

absl::StatusOr<std::vector<std::string>> BatchTable::Jobs(const BatchId& id, int limit) {
  Query query(db_, kJobsOfBatch, id.str(), limit);
  return ReadIds(query);
}

}  // namespace fetchd::store
