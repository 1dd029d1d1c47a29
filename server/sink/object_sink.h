// An object in a store, published whole.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "objstore/object_store.h"
#include "runtime/task_group.h"
#include "sink/buffer.h"
#include "sink/destinations.h"
#include "sink/part_uploads.h"
#include "sink/sink.h"
#include "sink/upload_note.h"

namespace fetchd::sink {

/// See Sink. A body that fits one part is written with one request, at Commit; a larger one as an
/// upload of parts, which becomes the object at Commit. What is kept for a later Open are whole
/// parts that arrived; which upload they are of is in the note. Nothing can be read back.
///
/// A body of known length may be written ahead. A part goes out as soon as it is whole, and stays
/// in memory until Advance() has passed it: so far it is Held(). The memory of parts is taken in
/// their order: who waits for that of one holds none of a later one.
///
/// At the deadline each call ends with DEADLINE_EXCEEDED, whatever the store does meanwhile; but
/// Abort, which has 10 s of its own.
class ObjectSink final : public Sink {
 public:
  /// References outlive the sink and its tasks.
  struct Deps {
    objstore::ObjectStore& store;
    BufferPool& buffers;
    Clock& clock;
    runtime::TaskGroup& tasks;
    NoteKeeper& notes;
  };
  struct Options {
    std::string url;  ///< As the receipt shows it: "s3://bucket/key".
    objstore::ObjectName object;
    objstore::ObjectAttributes attributes;
    OverwritePolicy overwrite = OverwritePolicy::kAlways;
    std::uint64_t part_bytes = 0;
    int parts_in_flight = 1;
    std::string note;                       ///< As the keeper has it.
    Deadline deadline = Deadline::Never();  ///< Of the job.
  };
  ObjectSink(Deps deps, Options options);
  ~ObjectSink() override;

  Task<absl::StatusOr<std::uint64_t>> Open(std::uint64_t resume_bytes) override;
  void Describe(const BodyFacts& facts) override;
  Task<absl::Status> Restart() override;
  bool CanReadBack() const override { return false; }
  Task<absl::StatusOr<std::size_t>> ReadBack(std::uint64_t offset,
                                             std::span<std::byte> out) override;
  Task<absl::Status> Write(std::span<const std::byte> bytes) override;
  bool CanWriteAhead() const override;
  bool TryMakeRoom(std::uint64_t end) override;
  Task<absl::Status> WriteAhead(std::uint64_t offset, std::span<const std::byte> bytes) override;
  std::span<const std::byte> Held(std::uint64_t offset) const override;
  Task<absl::Status> Advance(std::uint64_t bytes) override;
  std::uint64_t NextMark(std::uint64_t size_bytes) const override;
  Task<absl::StatusOr<std::uint64_t>> Checkpoint() override;
  Task<absl::StatusOr<Receipt>> Commit() override;
  Task<absl::Status> Abort() override;

 private:
  struct PartInMemory {
    std::uint64_t first = 0;            ///< Where it begins.
    std::shared_ptr<PartBuffer> bytes;  ///< Shared with the task that sends it.
    bool sent = false;
    std::uint64_t end() const { return first + bytes->size(); }
  };

  template <typename T>
  Task<absl::StatusOr<T>> InTime(Task<absl::StatusOr<T>> asking);
  Task<absl::Status> InTime(Task<absl::Status> asking);
  Task<absl::StatusOr<std::uint64_t>> OpenNow(std::uint64_t resume_bytes);
  Task<absl::StatusOr<Receipt>> CommitNow();
  Task<absl::Status> AbortNow();
  Task<absl::Status> CheckAbsent();
  /// Whether the object that is there was made of the noted upload.
  Task<absl::StatusOr<bool>> IsOfOwnUpload();
  Task<absl::StatusOr<bool>> TakeUp(std::uint64_t resume_bytes);
  Task<absl::Status> BeginUpload();
  Task<absl::Status> AwaitRoom(int number);
  Task<absl::Status> Send(int number, PartInMemory& part);
  Task<absl::Status> SendPassed();
  Task<absl::Status> SendRest();
  Task<absl::Status> DropAhead();
  absl::Status CheckWhole() const;
  std::uint64_t SizeOf(int number) const;
  Task<absl::StatusOr<Receipt>> PutWhole();
  Task<absl::StatusOr<Receipt>> Complete();
  Task<absl::StatusOr<bool>> IsAlreadyThere(const std::string& etag);
  Task<absl::Status> CheckMade(absl::Status made);
  Task<absl::Status> Keep(UploadNote note);
  Task<absl::Status> KeepOwn(std::string etag);
  Task<absl::Status> DropUpload();
  PartPlan plan() const;
  Task<absl::StatusOr<objstore::Precondition>> PreconditionFor(bool supported);

  Deps deps_;
  const Options options_;
  objstore::ObjectAttributes attributes_;
  UploadNote note_;  ///< As it is kept.
  std::optional<std::uint64_t> total_bytes_;
  bool own_ = false;                      ///< The object that is there is this job's.
  bool waits_for_room_ = false;           ///< So that nothing behind it is taken meanwhile.
  std::shared_ptr<PartUploads> uploads_;  ///< Null: no upload was begun.
  /// By number, without a gap: the one that is written next, and those that are written ahead.
  std::map<int, PartInMemory> parts_;
  std::uint64_t size_bytes_ = 0;  ///< Written, what was kept included and what is ahead not.
};

}  // namespace fetchd::sink
