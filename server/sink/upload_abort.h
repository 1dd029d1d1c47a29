// The end of an upload that nobody goes on with.
#pragma once

#include <string>
#include <vector>

#include "objstore/object_store.h"
#include "sink/upload_note.h"

namespace fetchd::sink {

/// Ends what a note is of, once its job does not go on: OK also when nothing is left of it.
/// `notes_of_others`: those of other jobs with the same destination.
Task<absl::Status> AbortNoted(objstore::ObjectStore& store, objstore::ObjectName object,
                              UploadNote note, std::vector<std::string> notes_of_others);

}  // namespace fetchd::sink
