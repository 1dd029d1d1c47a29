#include "store/postgres_schema.h"

#include <array>
#include <cstdint>
#include <string>

#include "base/strings.h"

namespace fetchd::store {
namespace {

// The tables of schema.cc as far as version 13 of SQLite's, with the same names, so that statements
// are the same. What differs:
//  * What callers send is BYTEA: it may be no UTF-8. Texts are ASCII, and compare by their bytes.
//  * `replica` runs the job while it is RUNNING, and `rescues` counts how many lost it in a row.
//  * Figures of jobs are rows, and events get their numbers from `counters`: see
//    postgres_committer.h. Batches have no foreign keys: each entry would lock its batch.
//  * Rows of jobs change some five times in their life: pages keep room for that, and what is dead
//    is swept early, or claims would walk over it.
constexpr char kVersion1[] = R"sql(
CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
);
CREATE TABLE counters (
  name TEXT PRIMARY KEY,
  value BIGINT NOT NULL
);
INSERT INTO counters VALUES ('events', 0);

CREATE TABLE replicas (
  id TEXT COLLATE "C" PRIMARY KEY,
  lease_until TIMESTAMPTZ NOT NULL,
  closed BIGINT NOT NULL DEFAULT 0,
  opened_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  host TEXT NOT NULL,
  version TEXT NOT NULL
);

-- How far each replica is with what it runs: see progress_table.h.
CREATE UNLOGGED TABLE progress (
  replica TEXT COLLATE "C" PRIMARY KEY,
  at TIMESTAMPTZ NOT NULL,
  jobs TEXT NOT NULL
) WITH (fillfactor = 20);

-- What each writer committed last: who gets no answer to COMMIT looks here.
CREATE TABLE commits (
  writer TEXT COLLATE "C" PRIMARY KEY,
  number BIGINT NOT NULL,
  at TIMESTAMPTZ NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE jobs (
  id TEXT COLLATE "C" PRIMARY KEY,
  state TEXT COLLATE "C" NOT NULL,
  priority BIGINT NOT NULL,
  ready_at BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  deadline_at BIGINT NOT NULL,
  retried_at BIGINT,
  started_at BIGINT,
  finished_at BIGINT,
  not_before_at BIGINT,
  attempt BIGINT NOT NULL,
  fence BIGINT NOT NULL,
  origin TEXT COLLATE "C" NOT NULL,
  lane TEXT COLLATE "C" NOT NULL DEFAULT '',
  retry BIGINT NOT NULL DEFAULT 0,
  tenant TEXT COLLATE "C" NOT NULL DEFAULT 'default',
  destination BYTEA NOT NULL,
  destination_template BYTEA NOT NULL,
  more_destinations BYTEA NOT NULL DEFAULT '',
  object BYTEA NOT NULL DEFAULT '',
  overwrite TEXT NOT NULL,
  request_id BYTEA UNIQUE,
  fingerprint BYTEA NOT NULL,
  labels BYTEA NOT NULL,
  spec BYTEA NOT NULL,
  sealed BYTEA,
  key_id TEXT COLLATE "C",
  checkpoint BYTEA NOT NULL,
  error BYTEA NOT NULL,
  result BYTEA,
  url_memory BYTEA NOT NULL DEFAULT '',
  mirrored BIGINT NOT NULL DEFAULT 0,
  batch TEXT COLLATE "C",
  batch_entry BIGINT NOT NULL DEFAULT 0,
  fate TEXT,
  fate_bytes BIGINT NOT NULL DEFAULT 0,
  error_kind TEXT COLLATE "C",
  replica TEXT COLLATE "C",
  rescues BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02,
        autovacuum_analyze_scale_factor = 0.05);
CREATE INDEX jobs_ready ON jobs (tenant, lane, retry, priority DESC, ready_at, id)
  WHERE (state = 'QUEUED' OR state = 'WAITING' OR state = 'INTERRUPTED');
CREATE INDEX jobs_due ON jobs (ready_at)
  WHERE (state = 'QUEUED' OR state = 'WAITING' OR state = 'INTERRUPTED');
CREATE INDEX jobs_deadline ON jobs (deadline_at, id)
  WHERE (state = 'QUEUED' OR state = 'WAITING' OR state = 'INTERRUPTED');
CREATE INDEX jobs_mirrored ON jobs (lane, id)
  WHERE mirrored = 1 AND (state = 'QUEUED' OR state = 'WAITING' OR state = 'INTERRUPTED');
CREATE INDEX jobs_running ON jobs (replica, id) WHERE state = 'RUNNING';
CREATE INDEX jobs_by_state ON jobs (state, id);
CREATE INDEX jobs_by_tenant ON jobs (tenant, id);
CREATE INDEX jobs_by_key ON jobs (key_id, id) WHERE key_id IS NOT NULL;
CREATE UNIQUE INDEX jobs_by_entry ON jobs (batch, batch_entry) WHERE batch IS NOT NULL;
CREATE INDEX jobs_of_batch ON jobs (batch, id) WHERE batch IS NOT NULL;
CREATE INDEX jobs_of_batch_in_state ON jobs (batch, state, id) WHERE batch IS NOT NULL;
CREATE INDEX jobs_by_error ON jobs (batch, error_kind, id) WHERE error_kind IS NOT NULL;

CREATE TABLE job_counts (
  tenant TEXT COLLATE "C" NOT NULL,
  state TEXT COLLATE "C" NOT NULL,
  jobs BIGINT NOT NULL,
  PRIMARY KEY (tenant, state)
) WITH (fillfactor = 50);

-- Which body is where: a place is the SHA-256 of a destination, which may be longer than an index
-- takes.
CREATE TABLE bodies (
  place BYTEA PRIMARY KEY,
  job_id TEXT COLLATE "C" NOT NULL,
  tenant TEXT COLLATE "C" NOT NULL,
  bytes BIGINT NOT NULL
);
CREATE INDEX bodies_by_job ON bodies (job_id);
CREATE TABLE stored_bytes (
  tenant TEXT COLLATE "C" PRIMARY KEY,
  bytes BIGINT NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE labels (
  job_id TEXT COLLATE "C" NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  key BYTEA NOT NULL,
  value BYTEA NOT NULL,
  PRIMARY KEY (job_id, key)
);
CREATE INDEX labels_by_value ON labels (key, value, job_id);

CREATE TABLE attempts (
  job_id TEXT COLLATE "C" NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  ordinal BIGINT NOT NULL,
  record BYTEA NOT NULL,
  PRIMARY KEY (job_id, ordinal)
);

CREATE TABLE events (
  sequence BIGINT PRIMARY KEY,
  job_id TEXT COLLATE "C" NOT NULL,
  state TEXT COLLATE "C" NOT NULL,
  at BIGINT NOT NULL,
  deleted BIGINT NOT NULL DEFAULT 0,
  origin TEXT COLLATE "C",
  created_at BIGINT,
  labels BYTEA,
  tenant TEXT COLLATE "C",
  batch TEXT COLLATE "C"
);
CREATE INDEX events_by_job ON events (job_id, sequence);

CREATE TABLE batches (
  id TEXT COLLATE "C" PRIMARY KEY,
  display_name BYTEA NOT NULL,
  request_id BYTEA UNIQUE,
  defaults BYTEA NOT NULL,
  tenant TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  sealed BIGINT NOT NULL DEFAULT 0,
  cancelled BIGINT NOT NULL DEFAULT 0,
  action TEXT NOT NULL DEFAULT '',
  action_after TEXT COLLATE "C" NOT NULL DEFAULT '',
  version BIGINT NOT NULL DEFAULT 1
) WITH (fillfactor = 50);
CREATE INDEX batches_with_action ON batches (id) WHERE action <> '';
CREATE INDEX batches_by_tenant ON batches (tenant, id);

CREATE TABLE batch_counters (
  batch TEXT COLLATE "C" NOT NULL,
  fate TEXT COLLATE "C" NOT NULL,
  objects BIGINT NOT NULL,
  bytes BIGINT NOT NULL,
  PRIMARY KEY (batch, fate)
) WITH (fillfactor = 50);
CREATE TABLE batch_errors (
  batch TEXT COLLATE "C" NOT NULL,
  error_kind TEXT COLLATE "C" NOT NULL,
  count BIGINT NOT NULL,
  PRIMARY KEY (batch, error_kind)
);
CREATE TABLE batch_entries (
  batch TEXT COLLATE "C" NOT NULL,
  entry BIGINT NOT NULL,
  url BYTEA NOT NULL,
  destination BYTEA NOT NULL,
  request_id BYTEA NOT NULL,
  job_id TEXT COLLATE "C",
  error_kind TEXT COLLATE "C",
  error BYTEA NOT NULL,
  PRIMARY KEY (batch, entry)
);
CREATE INDEX batch_entries_by_error ON batch_entries (batch, error_kind, entry)
  WHERE error_kind IS NOT NULL;

CREATE TABLE sink_notes (
  job_id TEXT COLLATE "C" NOT NULL,
  destination BYTEA NOT NULL,
  note BYTEA NOT NULL,
  PRIMARY KEY (job_id, destination)
);
CREATE INDEX sink_notes_at ON sink_notes (destination, job_id);

-- An entry is new in a batch as long as that is open, and is a job or has none: who comes second
-- finds out when it runs again.
CREATE FUNCTION admit_entry(wanted TEXT, number BIGINT) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM batches WHERE id = wanted AND sealed = 0)
     OR (EXISTS (SELECT 1 FROM jobs WHERE batch = wanted AND batch_entry = number)
         AND EXISTS (SELECT 1 FROM batch_entries WHERE batch = wanted AND entry = number)) THEN
    RAISE EXCEPTION 'the batch has changed meanwhile' USING ERRCODE = 'serialization_failure';
  END IF;
END $$;
)sql";

// What of a limit each process may use: a row counts while its process has a lease. See
// allotments.h.
constexpr char kVersion2[] = R"sql(
CREATE TABLE allotments (
  key TEXT COLLATE "C" NOT NULL,
  replica TEXT COLLATE "C" NOT NULL REFERENCES replicas (id) ON DELETE CASCADE,
  slots BIGINT NOT NULL,
  wanted BIGINT NOT NULL,
  PRIMARY KEY (key, replica)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX allotments_by_replica ON allotments (replica);

-- Origins that are left alone: `circuit` = 1 because they failed, else because they asked for it.
CREATE TABLE cool_downs (
  origin TEXT COLLATE "C" NOT NULL,
  circuit BIGINT NOT NULL,
  until TIMESTAMPTZ NOT NULL,
  replica TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (origin, circuit)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);

-- Those whose slots count. A lease that passed while the database was away has the time of one more,
-- as in replicas.cc.
CREATE FUNCTION counts(replica replicas, lease BIGINT) RETURNS boolean LANGUAGE sql AS $$
  SELECT replica.closed = 0 AND (replica.lease_until >= clock_timestamp()
    OR pg_postmaster_start_time() >= clock_timestamp() - lease * interval '1 millisecond')
$$;

-- Each ask gets what it wants to take, as far as the others leave it, and what it keeps in any case;
-- nothing, when its process has no lease. One statement: who is stopped in the midst of it holds no
-- lock. The locks are taken in one order.
CREATE FUNCTION take_allotments(holder TEXT, lease BIGINT, asks JSON, tell BOOLEAN)
RETURNS TABLE (place BIGINT, taken BIGINT) LANGUAGE plpgsql AS $$
DECLARE
  ask RECORD;
  others BIGINT;
BEGIN
  PERFORM 1 FROM replicas AS r WHERE r.id = holder AND r.closed = 0
    AND r.lease_until > clock_timestamp() FOR KEY SHARE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  FOR ask IN SELECT a.* FROM json_to_recordset(asks)
      AS a (place BIGINT, key TEXT, most BIGINT, kept BIGINT, take BIGINT, wanted BIGINT)
      ORDER BY hashtext(a.key), a.key LOOP
    PERFORM pg_advisory_xact_lock(73066354, hashtext(ask.key));
    SELECT coalesce(sum(a.slots), 0) INTO others
      FROM allotments AS a JOIN replicas AS r ON r.id = a.replica
      WHERE a.key = ask.key AND a.replica <> holder AND counts(r, lease);
    place := ask.place;
    taken := greatest(ask.kept, least(ask.take, ask.most - others));
    IF taken = 0 AND ask.wanted = 0 THEN
      DELETE FROM allotments AS a WHERE a.key = ask.key AND a.replica = holder;
    ELSE
      INSERT INTO allotments AS a VALUES (ask.key, holder, taken, ask.wanted)
        ON CONFLICT ON CONSTRAINT allotments_pkey
        DO UPDATE SET slots = excluded.slots, wanted = excluded.wanted
        WHERE (a.slots, a.wanted) IS DISTINCT FROM (excluded.slots, excluded.wanted);
    END IF;
    RETURN NEXT;
  END LOOP;
  IF tell THEN
    PERFORM pg_notify('fetchd', 'allotments ' || holder);
  END IF;
END $$;
)sql";

// kMigrations[n] leads from version n to n + 1. Released ones are never edited.
constexpr auto kMigrations = std::to_array<const char*>({kVersion1, kVersion2});

/// Of processes that migrate: any number that nobody else takes.
constexpr char kLock[] = "SELECT pg_advisory_xact_lock(7306635401)";

absl::StatusOr<std::int64_t> ReadVersion(Database& database) {
  {
    Query exists(database, "SELECT CAST(to_regclass('meta') IS NOT NULL AS int)");
    RETURN_IF_ERROR(exists.Step().status());
    if (exists.Int(0) == 0) return 0;
  }
  Query query(database, "SELECT CAST(value AS bigint) FROM meta WHERE key = 'schema_version'");
  ASSIGN_OR_RETURN(const bool found, query.Step());
  return found ? query.Int(0) : 0;
}

absl::Status CheckIsOurs(std::int64_t version) {
  if (version <= kPostgresSchemaVersion) return absl::OkStatus();
  return absl::FailedPreconditionError(
      Concat("the job database has schema version ", version,
             ", written by a newer fetchd; this one knows version ", kPostgresSchemaVersion,
             ": run the newer fetchd, or restore a backup made before the upgrade"));
}

absl::StatusOr<std::int64_t> VersionNow(Database& database) {
  RETURN_IF_ERROR(database.Begin());
  const absl::StatusOr<std::int64_t> version = ReadVersion(database);
  RETURN_IF_ERROR(database.RollBack());
  return version;
}

}  // namespace

const int kPostgresSchemaVersion = static_cast<int>(kMigrations.size());

absl::Status MigratePostgres(Database& database) {
  while (true) {
    ASSIGN_OR_RETURN(const std::int64_t version, VersionNow(database));
    RETURN_IF_ERROR(CheckIsOurs(version));
    if (version == kPostgresSchemaVersion) return absl::OkStatus();
    // Whoever comes second finds the row of the first, and looks again.
    const std::string script =
        Concat("BEGIN; SET LOCAL statement_timeout = 0; ", kLock,
               "; CREATE TABLE IF NOT EXISTS schema_steps (version BIGINT PRIMARY KEY);"
               " INSERT INTO schema_steps VALUES (",
               version + 1, ");", kMigrations[static_cast<std::size_t>(version)],
               "INSERT INTO meta VALUES ('schema_version', '", version + 1,
               "') ON CONFLICT (key) DO UPDATE SET value = excluded.value; COMMIT;");
    const absl::Status done = database.Execute(script.c_str());
    if (done.ok()) continue;
    ASSIGN_OR_RETURN(const std::int64_t after, VersionNow(database));
    if (after == version) return done;
  }
}

}  // namespace fetchd::store
