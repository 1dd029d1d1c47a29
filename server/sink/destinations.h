// Destination URIs to sinks.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/object_uri.h"
#include "base/url.h"
#include "runtime/blocking_pool.h"
#include "sink/file_calls.h"
#include "sink/object_places.h"
#include "sink/sink.h"
#include "sink/upload_note.h"

namespace fetchd::sink {

enum class OverwritePolicy { kAlways, kNever, kIfDifferent };

/// A parsed destination: "file:a/b" (relative to the root; absolute paths, "..", empty and "."
/// segments, NUL and control characters are refused), an object (see ObjectUri) or "discard:".
struct Destination {
  enum class Kind { kFile, kObject, kDiscard };
  Kind kind = Kind::kDiscard;
  std::string path;       ///< kFile: relative, segments joined by '/'.
  ObjectUri object = {};  ///< kObject.
  std::string ToString() const;
};

/// Fills {host} {path} {basename} {job} {date} (date = UTC creation day, 2026-01-31) and parses the
/// result. {path} and {basename} are made safe as file names. INVALID_ARGUMENT names the
/// placeholder or segment that is wrong. Pure.
absl::StatusOr<Destination> ParseDestination(std::string_view uri, const Url& url, const JobId& job,
                                             WallTime created_at);
/// A destination as Destination::ToString() writes it and as Job::destination keeps it: braces are
/// plain characters. The same checks otherwise.
absl::StatusOr<Destination> ParseResolvedDestination(std::string_view uri);
/// May one job write to all of them? INVALID_ARGUMENT: two are the same, or so alike that their
/// temporary files would be; discard: is not alone, for it keeps nothing to resume from; or several
/// are objects: each would hold a part in memory while it waits for that of the next. Pure.
absl::Status CheckTogether(std::span<const Destination> destinations);
inline constexpr char kDefaultDestination[] = "file:{job}/{basename}";

/// Which run of its job a sink is of, where several processes may write for the same job: a claim
/// has a number above those before it. Each run has a temporary file of its own, so that one who
/// lost the job without knowing it writes to nothing that counts, and publishes nothing any more.
struct RunNumbers {
  std::int64_t own = 0;   ///< 0: no other process writes here.
  std::int64_t kept = 0;  ///< Of the run that has what is to be resumed from, or an earlier one.
};

/// What a sink is made for.
struct SinkOrder {
  JobId job;
  RunNumbers run = {};
  OverwritePolicy overwrite = OverwritePolicy::kAlways;
  /// Of objects alone. Where empty, those of the place; content_type: the origin's.
  objstore::ObjectAttributes attributes = {};
  /// Likewise: what the sink of an earlier attempt has noted, and where it does so.
  std::string note;
  NoteKeeper* notes = nullptr;
  std::size_t shard = 0;
  Deadline deadline = Deadline::Never();
};

/// Makes sinks. Owner: app. Thread-safe; outlives its sinks.
class Destinations {
 public:
  /// Opens (and makes, mode 0700) the root, and flushes its file system: what a killed process had
  /// published or made without a flush is durable before a new one relies on it. PERMISSION_DENIED
  /// / FAILED_PRECONDITION when it cannot be written. Blocks. `calls` outlives the destinations.
  static absl::StatusOr<std::unique_ptr<Destinations>> Open(std::filesystem::path files_root,
                                                            Clock& clock,
                                                            runtime::BlockingPool& pool,
                                                            asio::any_io_executor executor,
                                                            FileCalls& calls = SystemFileCalls());
  ~Destinations();

  /// From now on objects are served, from and to these places. Once, before the first sink;
  /// `shards` are the executors of the shards.
  void ServeObjects(std::vector<ObjectPlace> places, BufferPool& buffers,
                    const std::vector<asio::any_io_executor>& shards);
  /// Ends what sinks of objects have left running; every sink and reader must be gone. Not from a
  /// shard.
  void CloseObjects();
  /// INVALID_ARGUMENT when no store serves it.
  absl::Status Check(const Destination& destination) const;
  /// May jobs fetch it? INVALID_ARGUMENT when no store serves it; PERMISSION_DENIED, reason
  /// SOURCE_DENIED {rule: "stores.<name>.sources" or ".buckets"}, when that store or bucket is none
  /// to fetch from.
  absl::Status CheckSource(const ObjectUri& object) const;
  /// The store of what CheckSource admits, for use on `shard`.
  absl::StatusOr<objstore::ObjectStore*> SourceOf(const ObjectUri& object, std::size_t shard) const;

  /// OK for what Check() admits. The sink is used on the order's shard.
  absl::StatusOr<std::unique_ptr<Sink>> MakeSink(const Destination& destination, SinkOrder order);
  /// NOT_FOUND when it is gone, FAILED_PRECONDITION for discard:, OUT_OF_RANGE when offset is
  /// beyond the end. The reader is used on the caller's shard.
  Task<absl::StatusOr<std::unique_ptr<Reader>>> OpenForRead(Destination destination,
                                                            std::uint64_t offset);
  /// At start: removes temporary files of jobs for which `live` is false (orphans of a crash).
  /// Returns how many. Blocking pool.
  Task<absl::StatusOr<std::size_t>> SweepTemporaries(std::function<bool(const JobId&)> live);
  /// Removes what a job that will not go on has kept, up to its run `run`; nothing for objects.
  Task<absl::Status> DropTemporary(Destination destination, JobId job, std::int64_t run = 0);
  /// Ends what the note of an object's sink is of: see AbortNoted. From a shard.
  /// INVALID_ARGUMENT when no store serves the object any more.
  Task<absl::Status> DropNoted(Destination destination, std::string note,
                               std::vector<std::string> notes_of_others);

 private:
  struct Core;
  explicit Destinations(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace fetchd::sink
