#include "store/schema.h"

#include <array>

#include "base/strings.h"

namespace fetchd::store {
namespace {

// Times are nanoseconds since 1970. `spec` holds no secret: those are in `sealed`, under the key
// `key_id`. jobs_ready serves claims: a range of ready_at within each priority, so that neither
// ended jobs nor jobs that wait for their time are read. Its WHERE is repeated word for word by the
// queries that use it.
constexpr char kVersion1[] = R"sql(
CREATE TABLE meta (
  key TEXT PRIMARY KEY NOT NULL,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
  id TEXT PRIMARY KEY NOT NULL,
  state TEXT NOT NULL,
  priority INTEGER NOT NULL,
  ready_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  deadline_at INTEGER NOT NULL,
  retried_at INTEGER,
  started_at INTEGER,
  finished_at INTEGER,
  attempt INTEGER NOT NULL,
  fence INTEGER NOT NULL,
  origin TEXT NOT NULL,
  destination TEXT NOT NULL,
  destination_template TEXT NOT NULL,
  overwrite TEXT NOT NULL,
  request_id TEXT UNIQUE,
  fingerprint BLOB NOT NULL,
  labels TEXT NOT NULL,
  spec TEXT NOT NULL,
  sealed BLOB,
  key_id TEXT,
  checkpoint TEXT NOT NULL,
  error TEXT NOT NULL,
  result TEXT
) STRICT;
CREATE INDEX jobs_ready ON jobs (priority DESC, ready_at, id)
  WHERE state IN ('QUEUED', 'WAITING', 'INTERRUPTED');
CREATE INDEX jobs_by_state ON jobs (state, id);

CREATE TABLE labels (
  job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (job_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX labels_by_value ON labels (key, value, job_id);

CREATE TABLE attempts (
  job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  ordinal INTEGER NOT NULL,
  record TEXT NOT NULL,
  PRIMARY KEY (job_id, ordinal)
) STRICT;

-- The event of a deletion carries what filters need to know of the job that is gone.
CREATE TABLE events (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  job_id TEXT NOT NULL,
  state TEXT NOT NULL,
  at INTEGER NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0,
  origin TEXT,
  created_at INTEGER,
  labels TEXT
) STRICT;
CREATE INDEX events_by_job ON events (job_id, sequence);
)sql";

constexpr char kVersion2[] = R"sql(
ALTER TABLE jobs ADD COLUMN not_before_at INTEGER;
)sql";

// For the expiry of jobs that wait: its WHERE, too, is repeated by the queries.
constexpr char kVersion3[] = R"sql(
CREATE INDEX jobs_deadline ON jobs (deadline_at, id)
  WHERE state IN ('QUEUED', 'WAITING', 'INTERRUPTED');
)sql";

// Claims by origin: a lane is the origin that the next attempt of a job would ask, as far as
// version 3 tells. See ready_jobs.h.
constexpr char kVersion4[] = R"sql(
ALTER TABLE jobs ADD COLUMN lane TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN retry INTEGER NOT NULL DEFAULT 0;
UPDATE jobs SET lane = origin, retry = attempt > 0;
DROP INDEX jobs_ready;
CREATE INDEX jobs_ready ON jobs (lane, retry, priority DESC, ready_at, id, state)
  WHERE state IN ('QUEUED', 'WAITING', 'INTERRUPTED');
CREATE INDEX jobs_due ON jobs (ready_at, state)
  WHERE state IN ('QUEUED', 'WAITING', 'INTERRUPTED');
)sql";

// Claims by tenant first; lists of one tenant's jobs.
constexpr char kVersion5[] = R"sql(
ALTER TABLE jobs ADD COLUMN tenant TEXT NOT NULL DEFAULT 'default';
DROP INDEX jobs_ready;
CREATE INDEX jobs_ready ON jobs (tenant, lane, retry, priority DESC, ready_at, id, state)
  WHERE state IN ('QUEUED', 'WAITING', 'INTERRUPTED');
CREATE INDEX jobs_by_tenant ON jobs (tenant, id);
ALTER TABLE events ADD COLUMN tenant TEXT;
)sql";

// Batches: see batch_table.h. What a job adds to the figures of its batch is in its row as it was
// counted: `fate`, `fate_bytes` and, when it failed, `error_kind`. batch_entries holds the entries
// that made no job; `error_kind` is NULL where another job did their work.
constexpr char kVersion6[] = R"sql(
CREATE TABLE batches (
  id TEXT PRIMARY KEY NOT NULL,
  display_name TEXT NOT NULL,
  request_id TEXT UNIQUE,
  defaults TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  sealed INTEGER NOT NULL DEFAULT 0,
  cancelled INTEGER NOT NULL DEFAULT 0,
  action TEXT NOT NULL DEFAULT '',
  action_after TEXT NOT NULL DEFAULT '',
  version INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX batches_with_action ON batches (id) WHERE action <> '';

CREATE TABLE batch_counters (
  batch TEXT NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
  fate TEXT NOT NULL,
  objects INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  PRIMARY KEY (batch, fate)
) STRICT, WITHOUT ROWID;

CREATE TABLE batch_errors (
  batch TEXT NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
  error_kind TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (batch, error_kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE batch_entries (
  batch TEXT NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
  entry INTEGER NOT NULL,
  url TEXT NOT NULL,
  destination TEXT NOT NULL,
  request_id TEXT NOT NULL,
  job_id TEXT,
  error_kind TEXT,
  error TEXT NOT NULL,
  PRIMARY KEY (batch, entry)
) STRICT, WITHOUT ROWID;
CREATE INDEX batch_entries_by_error ON batch_entries (batch, error_kind, entry)
  WHERE error_kind IS NOT NULL;

ALTER TABLE jobs ADD COLUMN batch TEXT;
ALTER TABLE jobs ADD COLUMN batch_entry INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN fate TEXT;
ALTER TABLE jobs ADD COLUMN fate_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN error_kind TEXT;
CREATE UNIQUE INDEX jobs_by_entry ON jobs (batch, batch_entry) WHERE batch IS NOT NULL;
CREATE INDEX jobs_of_batch ON jobs (batch, id) WHERE batch IS NOT NULL;
CREATE INDEX jobs_of_batch_in_state ON jobs (batch, state, id) WHERE batch IS NOT NULL;
CREATE INDEX jobs_by_error ON jobs (batch, error_kind, id) WHERE error_kind IS NOT NULL;

ALTER TABLE events ADD COLUMN batch TEXT;
)sql";

// Which of its urls a job asks next, and a way to the jobs with several of them: a job that waits
// for one origin may go to another. As far as version 6 tells, each asks its first.
constexpr char kVersion7[] = R"sql(
ALTER TABLE jobs ADD COLUMN url_memory TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN mirrored INTEGER NOT NULL DEFAULT 0;
UPDATE jobs SET lane = origin,
  mirrored = CASE WHEN json_valid(spec) THEN json_array_length(spec, '$.urls') > 1 ELSE 0 END;
CREATE INDEX jobs_mirrored ON jobs (lane, id, state, mirrored)
  WHERE mirrored = 1 AND state IN ('QUEUED', 'WAITING', 'INTERRUPTED');
)sql";

// Further places for the bytes of a job; as far as version 7 tells, none.
constexpr char kVersion8[] = R"sql(
ALTER TABLE jobs ADD COLUMN more_destinations TEXT NOT NULL DEFAULT '';
)sql";

// What is kept outside of fetchd for a job: rows outlive those of jobs, so that it can be ended.
// And what is kept with an object.
constexpr char kVersion9[] = R"sql(
CREATE TABLE sink_notes (
  job_id TEXT NOT NULL,
  destination TEXT NOT NULL,
  note TEXT NOT NULL,
  PRIMARY KEY (job_id, destination)
) STRICT, WITHOUT ROWID;
CREATE INDEX sink_notes_at ON sink_notes (destination, job_id);

ALTER TABLE jobs ADD COLUMN object TEXT NOT NULL DEFAULT '';
)sql";

// A request_id is one tenant's: see request_key.h. No stored one has a tenant before it yet, so
// that none of the new ones is there already. And lists of one tenant's batches.
constexpr char kVersion10[] = R"sql(
UPDATE jobs SET request_id = tenant || char(31) || request_id WHERE request_id IS NOT NULL;
ALTER TABLE batches ADD COLUMN tenant TEXT NOT NULL DEFAULT 'default';
UPDATE batches SET tenant = iif(json_valid(defaults),
  coalesce(nullif(json_extract(defaults, '$.tenant'), ''), 'default'), 'default');
UPDATE batches SET request_id = tenant || char(31) || request_id WHERE request_id IS NOT NULL;
CREATE INDEX batches_by_tenant ON batches (tenant, id);
)sql";

// As before, but not by `state IN (...)`: of three values or more SQLite makes a table in memory,
// for each index and twice in each UPDATE, which took more than the rest of that statement.
constexpr char kVersion11[] = R"sql(
DROP INDEX jobs_ready;
DROP INDEX jobs_due;
DROP INDEX jobs_deadline;
DROP INDEX jobs_mirrored;
CREATE INDEX jobs_ready ON jobs (tenant, lane, retry, priority DESC, ready_at, id, state)
  WHERE (state = 'QUEUED' OR state = 'WAITING' OR state = 'INTERRUPTED');
CREATE INDEX jobs_due ON jobs (ready_at, state)
  WHERE (state = 'QUEUED' OR state = 'WAITING' OR state = 'INTERRUPTED');
CREATE INDEX jobs_deadline ON jobs (deadline_at, id)
  WHERE (state = 'QUEUED' OR state = 'WAITING' OR state = 'INTERRUPTED');
CREATE INDEX jobs_mirrored ON jobs (lane, id, state, mirrored)
  WHERE mirrored = 1 AND (state = 'QUEUED' OR state = 'WAITING' OR state = 'INTERRUPTED');
)sql";

// Signatures in URLs are sealed, and a header may name a secret of the configuration: an older
// version would ask without either. Which key all is sealed with is not known any more, so that
// this start seals what was in clear.
constexpr char kVersion12[] = R"sql(
UPDATE meta SET value = '' WHERE key = 'key_id';
)sql";

// Which destination holds the body of which job: what a tenant may have stored is judged by it. A
// destination counts for the last job that brought a body there.
constexpr char kVersion13[] = R"sql(
CREATE TABLE bodies (
  destination TEXT PRIMARY KEY NOT NULL,
  job_id TEXT NOT NULL,
  tenant TEXT NOT NULL,
  bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX bodies_by_job ON bodies (job_id);

WITH results AS (
  SELECT id, tenant, state, iif(json_valid(result), result, '{}') AS told
  FROM jobs WHERE state IN ('SUCCEEDED', 'FAILED', 'CANCELLED')
)
INSERT INTO bodies (destination, job_id, tenant, bytes)
SELECT place, id, tenant, bytes FROM (
  SELECT json_extract(told, '$.destination') AS place, id, tenant,
         json_extract(told, '$.size_bytes') AS bytes
  FROM results
  WHERE state = 'SUCCEEDED' AND json_type(told, '$.deliveries') IS NULL
    AND json_extract(told, '$.not_modified') IS NULL
  UNION ALL
  SELECT json_extract(place, '$.destination'), id, tenant, bytes
  FROM (SELECT r.id, r.tenant, json_extract(r.told, '$.size_bytes') AS bytes,
               iif(delivery.type = 'object', delivery.value, '{}') AS place
        FROM results AS r, json_each(r.told, '$.deliveries') AS delivery)
  WHERE json_extract(place, '$.error') IS NULL
)
WHERE typeof(place) = 'text' AND place NOT IN ('', 'discard:')
  AND typeof(bytes) = 'integer' AND bytes >= 0
ON CONFLICT (destination) DO UPDATE SET
  job_id = excluded.job_id, tenant = excluded.tenant, bytes = excluded.bytes
WHERE (SELECT finished_at FROM jobs WHERE id = bodies.job_id) <
      (SELECT finished_at FROM jobs WHERE id = excluded.job_id);
)sql";

// kMigrations[n] leads from version n to n + 1. Released ones are never edited.
constexpr auto kMigrations = std::to_array<const char*>(
    {kVersion1, kVersion2, kVersion3, kVersion4, kVersion5, kVersion6, kVersion7, kVersion8,
     kVersion9, kVersion10, kVersion11, kVersion12, kVersion13});

absl::StatusOr<std::int64_t> ReadNumber(Database& database, const char* sql) {
  Query query(database, sql);
  RETURN_IF_ERROR(query.Run());
  return query.Int(0);
}

absl::Status CheckIsOurs(Database& database, std::int64_t version) {
  if (version > kSchemaVersion) {
    return absl::FailedPreconditionError(Concat(
        "the job database has schema version ", version,
        ", written by a newer fetchd; this "
        "one knows version ",
        kSchemaVersion, ": run the newer fetchd, or restore a backup made before the upgrade"));
  }
  ASSIGN_OR_RETURN(const std::int64_t objects,
                   ReadNumber(database, "SELECT count(*) FROM sqlite_schema"));
  if (version < 0 || (version == 0 && objects > 0)) {
    return absl::FailedPreconditionError(
        "the job database holds tables of another program; choose another store.url or data_dir");
  }
  return absl::OkStatus();
}

absl::Status Upgrade(Database& database, std::size_t from) {
  const std::string script = Concat("BEGIN IMMEDIATE;", kMigrations[from],
                                    "PRAGMA user_version = ", from + 1, "; COMMIT;");
  absl::Status status = database.Execute(script.c_str());
  if (database.InTransaction()) database.Execute("ROLLBACK").IgnoreError();  // `status` says more.
  return status;
}

}  // namespace

const int kSchemaVersion = static_cast<int>(kMigrations.size());

absl::Status Migrate(Database& database) {
  ASSIGN_OR_RETURN(const std::int64_t version, ReadNumber(database, "PRAGMA user_version"));
  RETURN_IF_ERROR(CheckIsOurs(database, version));
  for (auto from = static_cast<std::size_t>(version); from < kMigrations.size(); ++from) {
    RETURN_IF_ERROR(Upgrade(database, from));
  }
  return absl::OkStatus();
}

}  // namespace fetchd::store
