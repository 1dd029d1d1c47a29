#include "store/job_key.h"

#include <string>
#include <vector>

#include "base/strings.h"
#include "store/job_table.h"
#include "store/spec_codec.h"

namespace fetchd::store {
namespace {

// Empty when no key was used yet.
absl::StatusOr<std::string> LoadKeyId(Database& database) {
  Query query(database, "SELECT value FROM meta WHERE key = 'key_id'");
  ASSIGN_OR_RETURN(const bool found, query.Step());
  return found ? query.Text(0) : std::string();
}

absl::StatusOr<bool> HasSealedRows(Database& database) {
  Query query(database, "SELECT 1 FROM jobs WHERE sealed IS NOT NULL LIMIT 1");
  return query.Step();
}

struct Fingerprint {
  std::string id, value;
};

absl::StatusOr<std::vector<Fingerprint>> FingerprintsWith(Database& database,
                                                          const Sealer& sealer) {
  const JobTable table(database, sealer);
  Query rows(database,
             "SELECT " FETCHD_STORE_JOB_COLUMNS " FROM jobs AS j WHERE j.request_id IS NOT NULL");
  std::vector<Fingerprint> fingerprints;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, rows.Step());
    if (!found) return fingerprints;
    const absl::StatusOr<jobs::Job> job = table.ReadJob(rows);
    // A damaged row keeps what it has: its request is refused then, as one with other content.
    if (job.ok()) {
      fingerprints.push_back({job->id.str(), sealer.Fingerprint(CanonicalContent(*job))});
    }
  }
}

// Fingerprints are made with the key. With those of another key, a request that is sent again would
// be refused as another one under the same request id. All of a fingerprint's content is in the
// row: there is no sealed one when the key changes.
absl::Status AdoptKey(Database& database, const Sealer& sealer) {
  RETURN_IF_ERROR(database.Execute("BEGIN IMMEDIATE"));
  const auto adopt = [&]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::vector<Fingerprint> fingerprints,
                     FingerprintsWith(database, sealer));
    for (const Fingerprint& fingerprint : fingerprints) {
      Query update(database, "UPDATE jobs SET fingerprint = ?2 WHERE id = ?1", fingerprint.id,
                   Blob{fingerprint.value});
      RETURN_IF_ERROR(update.Run());
    }
    Query key(database, "INSERT OR REPLACE INTO meta (key, value) VALUES ('key_id', ?)",
              sealer.key_id());
    RETURN_IF_ERROR(key.Run());
    return database.Execute("COMMIT");
  };
  const absl::Status adopted = adopt();
  if (database.InTransaction()) database.Execute("ROLLBACK").IgnoreError();  // `adopted` says more.
  return adopted;
}

}  // namespace

absl::StatusOr<Sealer> OpenKey(Database& database, const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const std::string stored_id, LoadKeyId(database));
  absl::StatusOr<Sealer> sealer = ReadKeyFile(path);
  if (!sealer.ok() && !absl::IsNotFound(sealer.status())) return sealer.status();
  if (sealer.ok() && sealer->key_id() == stored_id) return sealer;

  ASSIGN_OR_RETURN(const bool sealed, HasSealedRows(database));
  if (sealed) {
    return absl::FailedPreconditionError(
        Concat("stored jobs have credentials sealed with a key that ", path.native(),
               sealer.ok() ? " does not hold" : " should hold, but the file is missing",
               "; restore the key file from a backup, or remove the job database with it"));
  }
  if (!sealer.ok()) sealer = CreateKeyFile(path);
  RETURN_IF_ERROR(sealer.status());
  RETURN_IF_ERROR(AdoptKey(database, *sealer));
  return sealer;
}

}  // namespace fetchd::store
