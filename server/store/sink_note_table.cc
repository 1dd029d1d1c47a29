#include "store/sink_note_table.h"

#include "base/strings.h"

namespace fetchd::store {
namespace {

absl::StatusOr<std::vector<jobs::SinkNote>> ReadNotes(Query& query) {
  std::vector<jobs::SinkNote> notes;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Step());
    if (!found) return notes;
    // What is no id was not written here, and belongs to no job.
    auto id = JobId::Parse(query.Text(0));
    if (id.ok()) notes.push_back({*std::move(id), query.Text(1), query.Text(2)});
  }
}

}  // namespace

absl::Status KeepSinkNote(Database& database, const jobs::SinkNote& note, std::int64_t fence) {
  {
    Query held(database,
               "SELECT 1 FROM jobs WHERE id = ?1 AND fence = ?2 AND state = 'RUNNING' FOR UPDATE",
               note.job.str(), fence);
    ASSIGN_OR_RETURN(const bool found, held.Step());
    if (!found) return absl::AbortedError(Concat("the claim on job ", note.job.str(), " is lost"));
  }
  Query query(database,
              "INSERT INTO sink_notes (job_id, destination, note) VALUES (?1, ?2, ?3)"
              " ON CONFLICT (job_id, destination) DO UPDATE SET note = excluded.note",
              note.job.str(), note.destination, note.note);
  return query.Run();
}

absl::Status DropSinkNote(Database& database, const jobs::SinkNote& note) {
  Query query(database,
              "DELETE FROM sink_notes WHERE job_id = ?1 AND destination = ?2 AND note = ?3",
              note.job.str(), note.destination, note.note);
  return query.Run();
}

absl::StatusOr<std::vector<jobs::SinkNote>> SinkNotesOf(Database& database, const JobId& id) {
  Query query(database,
              "SELECT job_id, destination, note FROM sink_notes WHERE job_id = ?1"
              " ORDER BY destination",
              id.str());
  return ReadNotes(query);
}

absl::StatusOr<std::vector<jobs::SinkNote>> SinkNotesAt(Database& database,
                                                        const std::string& destination) {
  Query query(database,
              "SELECT job_id, destination, note FROM sink_notes WHERE destination = ?1"
              " ORDER BY job_id",
              destination);
  return ReadNotes(query);
}

absl::StatusOr<std::vector<jobs::SinkNote>> AbandonedSinkNotes(Database& database,
                                                               const jobs::SinkNote& after,
                                                               int limit) {
  Query query(database,
              "SELECT n.job_id, n.destination, n.note FROM sink_notes AS n"
              " LEFT JOIN jobs AS j ON j.id = n.job_id"
              " WHERE (n.job_id, n.destination) > (?1, ?2)"
              " AND (j.state IS NULL OR j.state IN ('SUCCEEDED', 'FAILED', 'CANCELLED'))"
              " ORDER BY n.job_id, n.destination LIMIT ?3",
              after.job.str(), after.destination, limit);
  return ReadNotes(query);
}

}  // namespace fetchd::store
