// One body over several connections: pieces of it, each at its place in the target.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <string>

#include "fetch/attempt.h"
#include "fetch/body_reader.h"
#include "fetch/pieces.h"
#include "fetch/progress_meter.h"
#include "fetch/segment_controller.h"
#include "fetch/verifier.h"
#include "fetch/wake_event.h"
#include "http/redirecting_client.h"
#include "runtime/task_group.h"

namespace fetchd::fetch {

/// Takes a body over in the middle, when the controller wants a second connection, and reads it to
/// its end, over as many as the controller wants and SpareTransfers gives.
///  * Readers are tasks, one a connection. Each asks for a piece, reads it, and hands over one
///    buffer at a time. One task, the conductor, alone touches target, verifier and progress, but
///    for asking the target for marks and memory; so a reader may be stopped at any moment, and
///    what is here stays what it is said to be.
///  * Digests advance over the contiguous bytes: what arrives there is hashed as it comes; what was
///    written ahead where it lies in memory, else it is read back in the buffer of whoever has just
///    handed one over.
///  * Where the target has marks, a piece ends at the next one. One that is ahead is only begun
///    when there is memory for it.
///  * The first reader keeps the response that it has, until a piece behind it has proved that the
///    origin sends what it is asked for. Then it drops it, and takes pieces like the others.
///  * What is written ahead is never more than two pieces for each connection. A reader that lets
///    the others get so far is stopped, and its piece is read by another.
///  * A reader alone asks for all that is left, in one request.
/// Used once, on one shard, by a job's attempt. References outlive it.
class SegmentedRead {
 public:
  struct Deps {
    const TransferDeps& transfer;
    const jobs::FetchSpec& spec;
    const Url& url;
    Target& target;
    Verifier& verifier;
    ProgressMeter& progress;
    AttemptFacts& facts;
    BodyReader& bodies;
    SegmentController& controller;
    const Origin& origin;  ///< That sends the body.
    Deadline deadline;
  };
  SegmentedRead(Deps deps, WholeBody whole, std::uint64_t offset, asio::any_io_executor executor);
  ~SegmentedRead();
  SegmentedRead(const SegmentedRead&) = delete;
  SegmentedRead& operator=(const SegmentedRead&) = delete;

  struct End {
    absl::Status status;
    bool of_target = false;    ///< The error.
    std::uint64_t offset = 0;  ///< What is in front of it is in the target, and hashed.
  };
  /// `body` follows `offset`. OK with an offset in front of the end: the last piece that was asked
  /// for is not one of this body, and the origin is to be asked anew for what is left. No reader,
  /// permit, turn, buffer or connection is left when this completes, also when it is cancelled.
  Task<End> Run(std::unique_ptr<http::Body> body);

 private:
  enum class Outcome {
    kDone,
    kFailed,     ///< On its way: another may bring the same piece.
    kNoPiece,    ///< The answer is not a part of this body.
    kNoPlace,    ///< No connection was free, or no memory.
    kCancelled,  ///< By the conductor, or all of it.
  };
  struct Reader;

  // Of the conductor.
  Task<absl::Status> Conduct(std::unique_ptr<http::Body> body);
  Reader& AddReader(std::optional<SpareTransfers::Spare> spare);
  Task<absl::Status> Store(Reader& reader);
  Task<absl::Status> HashHeld();
  Task<absl::Status> CatchUp(sink::Buffer buffer, int blocks);
  Task<absl::Status> CatchUpToTheEnd();
  absl::Status OfTarget(absl::Status status);
  void NoteAnswers();
  absl::Status Settle();
  absl::Status Settle(const Reader& reader);
  void AddOneMore();
  void OneIsEnough();
  std::optional<SpareTransfers::Spare> TakeSpare();
  void OnReaderEnd(const std::string& name, const absl::Status& status);
  void WakeReaders();

  // Of the readers.
  Task<absl::Status> RunReader(Reader& reader);
  Task<bool> TakePiece(Reader& reader);
  std::uint64_t EndOfPiece(std::uint64_t from, std::uint64_t least = 0) const;
  std::uint64_t LargestPiece();
  bool HasRoom(const Piece& piece);
  bool ShouldLeave(const Reader& reader);
  void StopSlowest(const Reader& wants);
  Task<bool> ReadPiece(Reader& reader);
  Task<bool> ReadBytes(Reader& reader);
  Task<bool> KeepResponse(Reader& reader);
  Task<bool> Ask(Reader& reader);
  bool Refuse(Reader& reader, const http::Response& response, const std::string& why);
  bool Fail(Reader& reader, Outcome outcome, absl::Status status);

  const Deps deps_;
  const WholeBody whole_;
  const asio::any_io_executor executor_;
  http::RedirectingClient client_;
  Pieces pieces_;
  std::uint64_t front_;  ///< What lies before it is in the target, in order, and hashed.
  bool of_target_ = false;
  bool proven_ = false;   ///< A piece has been answered with that piece.
  bool no_room_ = false;  ///< A reader waits for memory.
  bool changed_ = false;  ///< One reader was left, and its piece was not answered so.
  int failures_ = 0;      ///< Of readers.
  int readers_begun_ = 0;
  std::uint64_t largest_piece_ = 0;
  std::list<std::unique_ptr<Reader>> readers_;
  WakeEvent news_;  ///< For the conductor.
  runtime::TaskGroup tasks_;
};

}  // namespace fetchd::fetch
