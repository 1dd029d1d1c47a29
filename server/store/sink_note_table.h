// Rows of the sinks' notes.
#pragma once

#include <vector>

#include "jobs/sink_note_store.h"
#include "store/database.h"

namespace fetchd::store {

// Errors are those of jobs::SinkNoteStore. Inside the caller's transaction.

absl::Status KeepSinkNote(Database& database, const jobs::SinkNote& note, std::int64_t fence);
absl::Status DropSinkNote(Database& database, const jobs::SinkNote& note);
absl::StatusOr<std::vector<jobs::SinkNote>> SinkNotesOf(Database& database, const JobId& id);
absl::StatusOr<std::vector<jobs::SinkNote>> SinkNotesAt(Database& database,
                                                        const std::string& destination);
absl::StatusOr<std::vector<jobs::SinkNote>> AbandonedSinkNotes(Database& database,
                                                               const jobs::SinkNote& after,
                                                               int limit);

}  // namespace fetchd::store
