// BatchTable, second half: figures, errors, and entries that made no job.
#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "store/batch_table.h"
#include "store/page_token.h"
#include "store/record_codec.h"
#include "store/spec_codec.h"

namespace fetchd::store {
namespace {

using jobs::BatchEntry;
using jobs::BatchErrors;
using jobs::BatchShare;

constexpr int kDefaultEntries = 50;
constexpr int kMostEntries = 1000;

#define FETCHD_STORE_ENTRY_COLUMNS "entry, url, destination, request_id, job_id, error"

absl::StatusOr<BatchEntry> ReadEntry(const BatchId& batch, const Query& row) {
  BatchEntry entry;
  entry.batch = batch;
  entry.entry = row.Int(0);
  entry.url = row.Text(1);
  entry.destination = row.Text(2);
  entry.request_id = row.Text(3);
  if (!row.IsNull(4)) {
    ASSIGN_OR_RETURN(entry.job, JobId::Parse(row.Text(4)));
  }
  RETURN_IF_ERROR(DecodeStatus(row.Text(5), entry.error));
  return entry;
}

// What cannot be read is shown as nothing: the sample is there all the same.
std::string MessageIn(const std::string& error) {
  absl::Status status;
  if (!DecodeStatus(error, status).ok()) return std::string();
  return MessageOf(status);
}
std::string FirstUrlIn(const std::string& spec) {
  const auto urls = UrlsOfSpec(spec);
  return urls.ok() && !urls->empty() ? urls->front() : std::string();
}

std::optional<std::string> KindOf(const BatchShare& share) {
  if (share.error.empty()) return std::nullopt;
  return share.error;
}

}  // namespace

BatchShare BatchShareOf(const BatchEntry& entry) {
  if (entry.error.ok()) return {jobs::EntryFate::kSkipped, 0, ""};
  return {jobs::EntryFate::kFailed, 0, jobs::ErrorKind::Of(entry.error).ToString()};
}

absl::Status BatchTable::Count(const BatchId& id, const BatchShare& share, int sign) {
  if (deferred_ != nullptr) {
    deferred_->Add(DeferredRows::Figure{id, share, sign});
    return absl::OkStatus();
  }
  const auto bytes = static_cast<std::int64_t>(share.bytes) * sign;
  // Sums stop at the largest number.
  Query query(db_,
              "INSERT INTO batch_counters (batch, fate, objects, bytes) VALUES (?1, ?2, ?3, ?4)"
              " ON CONFLICT DO UPDATE SET objects = objects + ?3,"
              " bytes = CAST(min(bytes + ?4, 9223372036854775807) AS INTEGER)",
              id.str(), jobs::EntryFateName(share.fate), sign, bytes);
  RETURN_IF_ERROR(query.Run());
  if (share.error.empty()) return absl::OkStatus();
  Query error(db_,
              "INSERT INTO batch_errors (batch, error_kind, count) VALUES (?1, ?2, ?3)"
              " ON CONFLICT DO UPDATE SET count = count + ?3",
              id.str(), share.error, sign);
  return error.Run();
}

absl::Status BatchTable::Touch(const BatchId& id, WallTime now) {
  if (deferred_ != nullptr) {
    deferred_->Add(DeferredRows::Touch{id, now});
    return absl::OkStatus();
  }
  Query query(db_, "UPDATE batches SET version = version + 1, updated_at = ?2 WHERE id = ?1",
              id.str(), now);
  return query.Run();
}

absl::StatusOr<std::vector<BatchErrors>> BatchTable::Errors(const BatchId& id) {
  std::vector<BatchErrors> all;
  Query query(db_,
              "SELECT error_kind, count FROM batch_errors WHERE batch = ?1 AND count > 0"
              " ORDER BY count DESC, error_kind",
              id.str());
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Step());
    if (!found) break;
    const auto kind = jobs::ErrorKind::Parse(query.Text(0));
    if (!kind) return absl::DataLossError("a stored batch counts errors of an unknown kind");
    all.push_back({*kind, static_cast<std::uint64_t>(query.Int(1)), {}});
  }
  for (BatchErrors& errors : all) {
    RETURN_IF_ERROR(AddEntrySamples(id, errors));
    RETURN_IF_ERROR(AddJobSamples(id, errors));
  }
  return all;
}

absl::Status BatchTable::AddEntrySamples(const BatchId& id, BatchErrors& errors) {
  Query query(db_, kEntriesWithError, id.str(), errors.kind.ToString(), jobs::kMostErrorSamples);
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Step());
    if (!found) return absl::OkStatus();
    errors.samples.push_back({JobId(), query.Int(0), query.Text(1), MessageIn(query.Text(2))});
  }
}

absl::Status BatchTable::AddJobSamples(const BatchId& id, BatchErrors& errors) {
  const int room = jobs::kMostErrorSamples - static_cast<int>(errors.samples.size());
  Query query(db_, kJobsWithError, id.str(), errors.kind.ToString(), room);
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Step());
    if (!found) return absl::OkStatus();
    ASSIGN_OR_RETURN(JobId job, JobId::Parse(query.Text(0)));
    errors.samples.push_back(
        {std::move(job), query.Int(1), FirstUrlIn(query.Text(2)), MessageIn(query.Text(3))});
  }
}

absl::StatusOr<std::optional<BatchTable::Counted>> BatchTable::CountedAs(
    const std::string& job_id) {
  Query query(db_, "SELECT batch, fate, fate_bytes, error_kind FROM jobs WHERE id = ?1", job_id);
  ASSIGN_OR_RETURN(const bool found, query.Step());
  if (!found || query.IsNull(0)) return std::nullopt;
  const auto batch = BatchId::Parse(query.Text(0));
  const auto fate = jobs::ParseEntryFate(query.Text(1));
  if (!batch.ok() || !fate) return std::nullopt;  // Damaged: it counts as it did.
  return Counted{*batch, {*fate, static_cast<std::uint64_t>(query.Int(2)), query.Text(3)}};
}

absl::Status BatchTable::SaveShare(const std::string& job_id, const BatchShare& share) {
  Query query(db_, "UPDATE jobs SET fate = ?2, fate_bytes = ?3, error_kind = ?4 WHERE id = ?1",
              job_id, jobs::EntryFateName(share.fate), share.bytes, KindOf(share));
  return query.Run();
}

absl::Status BatchTable::InsertEntry(const BatchEntry& entry) {
  const auto job = entry.job.empty() ? std::nullopt : std::optional(entry.job.str());
  Query query(db_,
              "INSERT INTO batch_entries (batch, entry, url, destination, request_id, job_id,"
              " error_kind, error) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
              entry.batch.str(), entry.entry, entry.url, entry.destination, entry.request_id, job,
              KindOf(BatchShareOf(entry)), EncodeStatus(entry.error));
  return query.Run();
}

absl::StatusOr<std::optional<BatchEntry>> BatchTable::FindEntry(const BatchId& id,
                                                                std::int64_t entry) {
  Query query(db_,
              "SELECT " FETCHD_STORE_ENTRY_COLUMNS
              " FROM batch_entries WHERE batch = ?1 AND entry = ?2",
              id.str(), entry);
  ASSIGN_OR_RETURN(const bool found, query.Step());
  if (!found) return std::nullopt;
  ASSIGN_OR_RETURN(BatchEntry known, ReadEntry(id, query));
  return known;
}

absl::Status BatchTable::DeleteEntry(const BatchId& id, std::int64_t entry) {
  Query query(db_, "DELETE FROM batch_entries WHERE batch = ?1 AND entry = ?2", id.str(), entry);
  return query.Run();
}

absl::StatusOr<int> BatchTable::DeleteEntries(const BatchId& id, int limit) {
  Query query(db_,
              "DELETE FROM batch_entries WHERE batch = ?1 AND entry IN"
              " (SELECT entry FROM batch_entries WHERE batch = ?1 ORDER BY entry LIMIT ?2)",
              id.str(), limit);
  ASSIGN_OR_RETURN(const std::int64_t deleted, query.RunAndCount());
  return static_cast<int>(deleted);
}

absl::StatusOr<jobs::BatchEntryPage> BatchTable::Entries(const BatchId& id, int page_size,
                                                         const std::string& page_token) {
  std::optional<std::uint64_t> after = 0;
  if (!page_token.empty()) {
    const auto position = ReadPosition(id.str(), page_token);
    after = position ? ParseDecimal<std::uint64_t>(*position) : std::nullopt;
  }
  if (!after) {
    return WithField(absl::InvalidArgumentError("page_token is not one that a list of this batch's "
                                                "entries returned; begin again without it"),
                     {"page_token", "not returned by a list of entries"});
  }
  const int size = page_size <= 0 ? kDefaultEntries : std::min(page_size, kMostEntries);
  Query query(db_,
              "SELECT " FETCHD_STORE_ENTRY_COLUMNS
              " FROM batch_entries WHERE batch = ?1 AND entry > ?2 ORDER BY entry LIMIT ?3",
              id.str(), *after, size + 1);
  jobs::BatchEntryPage page;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Step());
    if (!found) return page;
    if (static_cast<int>(page.entries.size()) == size) {
      page.next_page_token = MakePosition(id.str(), Concat(page.entries.back().entry));
      return page;
    }
    ASSIGN_OR_RETURN(BatchEntry entry, ReadEntry(id, query));
    page.entries.push_back(std::move(entry));
  }
}

}  // namespace fetchd::store
