#include "store/resealing.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "base/signed_url.h"
#include "base/strings.h"
#include "store/job_table.h"

namespace fetchd::store {
namespace {

constexpr char kSealedWith[] = "key_id";  // In meta: the key that all is sealed with.
constexpr int kRows = 500;                // In a transaction: what a kill costs.

absl::Status SaveMeta(Database& database, const char* key, const std::string& value) {
  Query save(database,
             "INSERT INTO meta (key, value) VALUES (?1, ?2)"
             " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
             key, value);
  return save.Run();
}

absl::StatusOr<std::string> LoadMeta(Database& database, const char* key) {
  Query query(database, "SELECT value FROM meta WHERE key = ?", key);
  ASSIGN_OR_RETURN(const bool found, query.Step());
  return found ? query.Text(0) : std::string();
}

// How far it has come, for a start after a kill: "<key id> <id of a job>".
constexpr char kProgress[] = "sealed_to";

absl::StatusOr<std::string> LoadProgress(Database& database, const std::string& key_id) {
  ASSIGN_OR_RETURN(const std::string progress, LoadMeta(database, kProgress));
  const std::string with = Concat(key_id, ' ');
  return progress.starts_with(with) ? progress.substr(with.size()) : std::string();
}

/// Undone as a whole when `change` fails.
template <typename Change>
absl::Status InTransaction(Database& database, Change change) {
  RETURN_IF_ERROR(database.Begin());
  absl::Status status = change();
  if (status.ok()) status = database.Execute("COMMIT");
  if (database.InTransaction()) database.RollBack().IgnoreError();  // `status` says more.
  return status;
}

/// Ids behind `after`, in their order, of rows with something that was made with a key or that may
/// have to be sealed.
absl::StatusOr<std::vector<std::string>> NextRows(Database& database, const std::string& after) {
  Query query(database,
              "SELECT id FROM jobs WHERE id > ?1 AND (sealed IS NOT NULL OR request_id IS NOT NULL"
              " OR spec LIKE '%?%' OR spec LIKE '%#%') ORDER BY id LIMIT ?2",
              after, kRows);
  std::vector<std::string> ids;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Step());
    if (!found) return ids;
    ids.push_back(query.Text(0));
  }
}

absl::Status CheckGoesOn(const SqliteConfig::StopAsked& stop_asked) {
  if (!stop_asked || !stop_asked()) return absl::OkStatus();
  return absl::CancelledError(
      "stopped while stored credentials were sealed with another key; the next start goes on "
      "there, "
      "with the same keys");
}

absl::Status SealJobs(Database& database, const KeyRing& keys,
                      const SqliteConfig::StopAsked& stop_asked, Resealing& done) {
  JobTable table(database, keys);
  ASSIGN_OR_RETURN(std::string after, LoadProgress(database, keys.key_id()));
  while (true) {
    ASSIGN_OR_RETURN(const std::vector<std::string> ids, NextRows(database, after));
    if (ids.empty()) return absl::OkStatus();
    RETURN_IF_ERROR(CheckGoesOn(stop_asked));
    after = ids.back();
    RETURN_IF_ERROR(InTransaction(database, [&]() -> absl::Status {
      ASSIGN_OR_RETURN(const std::vector<StoredJob> rows, table.Rows(ids));
      for (const StoredJob& row : rows) {
        RETURN_IF_ERROR(row.job.ok() ? table.SealAnew(*row.job) : table.ForgetKey(row.id));
        ++(row.job.ok() ? done.jobs : done.damaged);
      }
      return SaveMeta(database, kProgress, Concat(keys.key_id(), ' ', after));
    }));
  }
}

// URLs of entries that made no job are there to be read.
absl::Status HideInEntries(Database& database, const SqliteConfig::StopAsked& stop_asked) {
  struct Entry {
    std::string batch, url;
    std::int64_t number = 0;
  };
  std::string batch;
  for (std::int64_t number = 0;;) {
    std::vector<Entry> entries;
    {
      Query query(database,
                  "SELECT batch, url, entry FROM batch_entries WHERE (batch, entry) > (?1, ?2)"
                  " AND (url LIKE '%?%' OR url LIKE '%#%')"
                  " ORDER BY batch, entry LIMIT ?3",
                  batch, number, kRows);
      while (true) {
        ASSIGN_OR_RETURN(const bool found, query.Step());
        if (!found) break;
        entries.push_back({query.Text(0), query.Text(1), query.Int(2)});
      }
    }
    if (entries.empty()) return absl::OkStatus();
    RETURN_IF_ERROR(CheckGoesOn(stop_asked));
    batch = entries.back().batch;
    number = entries.back().number;
    RETURN_IF_ERROR(InTransaction(database, [&]() -> absl::Status {
      for (const Entry& entry : entries) {
        if (!HasSignature(entry.url)) continue;
        Query hide(database, "UPDATE batch_entries SET url = ?3 WHERE batch = ?1 AND entry = ?2",
                   entry.batch, entry.number, HideSignatures(entry.url));
        RETURN_IF_ERROR(hide.Run());
      }
      return absl::OkStatus();
    }));
  }
}

}  // namespace

absl::StatusOr<std::string> LoadSealedWith(Database& database) {
  return LoadMeta(database, kSealedWith);
}

absl::Status SealAnew(Database& database, const KeyRing& keys, const ResealingCalls& calls) {
  Resealing done{.key_id = keys.key_id()};
  ASSIGN_OR_RETURN(const std::vector<std::string> first, NextRows(database, ""));
  const bool worth_telling = calls.tell && !first.empty();
  if (worth_telling) calls.tell(done);
  // From here on some rows need one key and some another.
  RETURN_IF_ERROR(SaveMeta(database, kSealedWith, ""));
  RETURN_IF_ERROR(SealJobs(database, keys, calls.stop_asked, done));
  RETURN_IF_ERROR(HideInEntries(database, calls.stop_asked));
  // The log of changes has the old contents, too. Whoever is killed before this begins again.
  if (database.engine() == Engine::kSqlite) {
    RETURN_IF_ERROR(database.Execute("PRAGMA wal_checkpoint(TRUNCATE)"));
  }
  RETURN_IF_ERROR(InTransaction(database, [&]() -> absl::Status {
    RETURN_IF_ERROR(SaveMeta(database, kProgress, ""));
    return SaveMeta(database, kSealedWith, keys.key_id());
  }));
  done.ended = true;
  if (worth_telling) calls.tell(done);
  return absl::OkStatus();
}

}  // namespace fetchd::store
