// What a transaction on PostgreSQL writes last.
#pragma once

#include <cstdint>
#include <string>

#include "store/database.h"
#include "store/deferred_rows.h"
#include "store/transaction.h"

namespace fetchd::store {

/// ?1: rows of destination in hexadecimal digits, job, tenant, bytes. Their bodies are there now,
/// and count for their tenants; those that were do not any more.
inline constexpr char kCountBodies[] =
    "WITH placed AS MATERIALIZED (SELECT sha256(decode(item ->> 0, 'hex')) AS place,"
    " item ->> 1 AS job_id, item ->> 2 AS tenant, CAST(item ->> 3 AS bigint) AS bytes"
    " FROM json_array_elements(CAST(?1 AS json)) AS rows (item)),"
    " moved AS (SELECT tenant, bytes FROM placed UNION ALL SELECT tenant, -bytes FROM bodies"
    " WHERE place = ANY (ARRAY(SELECT place FROM placed))),"
    " filled AS (INSERT INTO bodies (place, job_id, tenant, bytes)"
    " SELECT place, job_id, tenant, bytes FROM placed ON CONFLICT (place) DO UPDATE SET"
    " job_id = excluded.job_id, tenant = excluded.tenant, bytes = excluded.bytes)"
    " INSERT INTO stored_bytes AS s (tenant, bytes)"
    " SELECT tenant, CAST(sum(bytes) AS bigint) FROM moved GROUP BY tenant HAVING sum(bytes) <> 0"
    " ON CONFLICT (tenant) DO UPDATE SET bytes = s.bytes + excluded.bytes";
/// ?1: jobs. What they left counts no more.
inline constexpr char kUncountBodies[] =
    "WITH gone AS (DELETE FROM bodies WHERE job_id = ANY (ARRAY(SELECT"
    " json_array_elements_text(CAST(?1 AS json)))) RETURNING tenant, bytes)"
    " INSERT INTO stored_bytes AS s (tenant, bytes)"
    " SELECT tenant, CAST(-sum(bytes) AS bigint) FROM gone GROUP BY tenant"
    " ON CONFLICT (tenant) DO UPDATE SET bytes = s.bytes + excluded.bytes";

/// Takes the lock of ends, and writes what was kept back and how counts of jobs moved, under it.
/// What is read there is what was committed before.
/// Nothing is waited for: COMMIT follows. By then the number of the last event is in
/// `last_sequence`.
absl::Status WriteEnd(Database& database, const DeferredRows& deferred, const Effects& effects,
                      const std::string& replica, std::int64_t& last_sequence);

}  // namespace fetchd::store
