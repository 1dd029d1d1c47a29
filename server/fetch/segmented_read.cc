#include "fetch/segmented_read.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "base/strings.h"
#include "fetch/segment_reader.h"
#include "fetch/supervised.h"

namespace fetchd::fetch {
namespace {

/// So many readers may fail, in all; then the connection that is left reads on.
constexpr int kMaxFailures = 3;
/// Of what was written ahead, for each buffer that is handed over: twice what comes, so that the
/// digests catch up, and not all at once, so that nobody waits for long.
constexpr int kBlocksAtOnce = 2;
constexpr std::size_t kBlock = std::size_t{256} << 10;

}  // namespace

SegmentedRead::SegmentedRead(Deps deps, WholeBody whole, std::uint64_t offset,
                             asio::any_io_executor executor)
    : deps_(deps),
      whole_(std::move(whole)),
      executor_(std::move(executor)),
      client_(deps_.transfer.client, deps_.transfer.subject),
      pieces_(offset, whole_.total_bytes),
      front_(offset),
      news_(executor_),
      tasks_(executor_, [this](const std::string& name, const absl::Status& status) {
        OnReaderEnd(name, status);
      }) {}

SegmentedRead::~SegmentedRead() = default;

Task<SegmentedRead::End> SegmentedRead::Run(std::unique_ptr<http::Body> body) {
  Supervised conductor(executor_);
  absl::Status status = co_await conductor.Run("conductor", Conduct(std::move(body)));
  // The readers refer to what is here: cancelled or not, they end first.
  co_await asio::this_coro::throw_if_cancelled(false);
  tasks_.Cancel();
  co_await tasks_.Join();
  co_await asio::this_coro::throw_if_cancelled(true);
  readers_.clear();
  co_return End{std::move(status), of_target_, front_};
}

Task<absl::Status> SegmentedRead::Conduct(std::unique_ptr<http::Body> body) {
  Reader& first = AddReader(std::nullopt);
  first.body = std::move(body);
  first.body_end = whole_.total_bytes;
  while (!readers_.empty()) {
    co_await news_.Wait();
    for (const std::unique_ptr<Reader>& reader : readers_) {
      if (reader->handed_over) CO_RETURN_IF_ERROR(co_await Store(*reader));
    }
    NoteAnswers();
    CO_RETURN_IF_ERROR(Settle());
    AddOneMore();
  }
  if (changed_) co_return absl::OkStatus();
  co_return co_await CatchUpToTheEnd();
}

SegmentedRead::Reader& SegmentedRead::AddReader(std::optional<SpareTransfers::Spare> spare) {
  const std::string name = Concat("segment reader ", ++readers_begun_);
  readers_.push_back(std::make_unique<Reader>(name, executor_, std::move(spare)));
  Reader& reader = *readers_.back();
  reader.task = tasks_.Spawn(name, RunReader(reader));
  return reader;
}

void SegmentedRead::OnReaderEnd(const std::string& name, const absl::Status& status) {
  const auto found =
      std::ranges::find_if(readers_, [&](const auto& reader) { return reader->name == name; });
  if (found == readers_.end()) return;
  Reader& reader = **found;
  reader.ended = true;
  // Cancelled, or out of memory: it did not come to say so itself.
  if (!status.ok()) {
    reader.outcome = absl::IsCancelled(status) ? Outcome::kCancelled : Outcome::kFailed;
    reader.status = status;
  }
  news_.Set();
}

absl::Status SegmentedRead::OfTarget(absl::Status status) {
  of_target_ = !status.ok();
  return status;
}

// What a reader has handed over, at its place.
Task<absl::Status> SegmentedRead::Store(Reader& reader) {
  sink::Buffer buffer = std::move(reader.buffer);
  sink::Buffer for_catching_up;
  const std::uint64_t offset = reader.piece->at;
  const std::uint64_t size = buffer.size();
  const bool in_order = offset == front_;
  if (in_order) {
    deps_.verifier.Update(buffer.bytes());
    CO_RETURN_IF_ERROR(OfTarget(co_await deps_.target.Write(offset, std::move(buffer))));
    front_ += size;
  } else {
    CO_RETURN_IF_ERROR(OfTarget(co_await deps_.target.WriteAhead(offset, buffer.bytes())));
    for_catching_up = std::move(buffer);
  }
  pieces_.Wrote(*reader.piece, size);
  const SteadyTime now = deps_.transfer.clock.Now();
  deps_.progress.Add(size, now);
  deps_.controller.Received(size, now);
  reader.handed_over = false;
  reader.wake.Set();
  CO_RETURN_IF_ERROR(co_await HashHeld());
  if (!in_order) CO_RETURN_IF_ERROR(co_await CatchUp(std::move(for_catching_up), kBlocksAtOnce));
  if (std::exchange(no_room_, false)) WakeReaders();
  co_return absl::OkStatus();
}

// All of it, for others wait for the memory. They run in between.
Task<absl::Status> SegmentedRead::HashHeld() {
  const std::uint64_t before = front_;
  while (front_ < pieces_.contiguous()) {
    std::span<const std::byte> held = deps_.target.Held(front_);
    const std::uint64_t most = std::min<std::uint64_t>(pieces_.contiguous() - front_, kBlock);
    held = held.first(static_cast<std::size_t>(std::min<std::uint64_t>(held.size(), most)));
    if (held.empty()) break;
    deps_.verifier.Update(held);
    const std::uint64_t hashed = held.size();
    CO_RETURN_IF_ERROR(OfTarget(co_await deps_.target.Advance(hashed)));
    front_ += hashed;
    co_await asio::post(executor_, asio::use_awaitable);
  }
  if (front_ != before) WakeReaders();
  co_return absl::OkStatus();
}

// Without asking for a buffer: those who have them all may be waiting for this one.
Task<absl::Status> SegmentedRead::CatchUp(sink::Buffer buffer, int blocks) {
  std::uint64_t hashed = 0;
  for (; blocks > 0 && front_ + hashed < pieces_.contiguous(); --blocks) {
    buffer.Clear();
    const std::uint64_t left = pieces_.contiguous() - front_ - hashed;
    const std::span<std::byte> space = buffer.free_space();
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left, space.size()));
    const absl::StatusOr<std::size_t> got =
        co_await deps_.target.ReadBack(front_ + hashed, space.first(size));
    CO_RETURN_IF_ERROR(OfTarget(got.status()));
    if (*got == 0) co_return OfTarget(absl::UnavailableError("what was written ahead is gone"));
    deps_.verifier.Update(space.first(*got));
    hashed += *got;
  }
  if (hashed == 0) co_return absl::OkStatus();
  buffer = sink::Buffer();  // Others may need it while this becomes durable.
  CO_RETURN_IF_ERROR(OfTarget(co_await deps_.target.Advance(hashed)));
  front_ += hashed;
  // The front has moved on: there may be room for another piece.
  WakeReaders();
  co_return absl::OkStatus();
}

// No reader is left, so all that the budget holds for this attempt is free.
Task<absl::Status> SegmentedRead::CatchUpToTheEnd() {
  CO_RETURN_IF_ERROR(co_await HashHeld());
  while (front_ < pieces_.contiguous()) {
    CO_ASSIGN_OR_RETURN(sink::Buffer buffer, co_await deps_.bodies.Acquire(kBlock, deps_.deadline));
    CO_RETURN_IF_ERROR(co_await CatchUp(std::move(buffer), kBlocksAtOnce));
  }
  co_return absl::OkStatus();
}

// A reader counts as a connection at work once the origin has answered it.
void SegmentedRead::NoteAnswers() {
  const auto answered =
      std::ranges::count_if(readers_, [](const auto& reader) { return reader->answered; });
  if (answered > 0) {
    deps_.controller.Working(static_cast<int>(answered), deps_.transfer.clock.Now());
  }
}

// Of those that have ended. An error is the attempt's.
absl::Status SegmentedRead::Settle() {
  for (auto at = readers_.begin(); at != readers_.end();) {
    if (!(*at)->ended) {
      ++at;
      continue;
    }
    const std::unique_ptr<Reader> reader = std::move(*at);
    at = readers_.erase(at);
    RETURN_IF_ERROR(Settle(*reader));
  }
  return absl::OkStatus();
}

absl::Status SegmentedRead::Settle(const Reader& reader) {
  if (reader.piece != nullptr) pieces_.Leave(*reader.piece);
  const bool last = readers_.empty();
  const std::string why = MessageOf(reader.status);
  switch (reader.outcome) {
    case Outcome::kDone:
      break;
    case Outcome::kFailed:
      if (last) return reader.status;
      if (++failures_ >= kMaxFailures) deps_.controller.Stop("pieces failed, the last: " + why);
      break;
    case Outcome::kNoPiece:
      deps_.controller.Stop(why);
      changed_ = last;
      break;
    case Outcome::kNoPlace:
    case Outcome::kCancelled:
      if (last) return reader.status;
      break;
  }
  const bool in_vain = reader.outcome != Outcome::kDone || !reader.answered;
  if (in_vain) deps_.controller.Refused(deps_.transfer.clock.Now());
  if (!last) OneIsEnough();
  NoteAnswers();
  WakeReaders();
  return absl::OkStatus();
}

// A permit and a turn are those of the job itself: of several readers one is without a spare. The
// last one reads on with the response that it has, when nothing lies behind its piece.
void SegmentedRead::OneIsEnough() {
  const bool all_spare =
      std::ranges::all_of(readers_, [](const auto& reader) { return reader->spare.has_value(); });
  if (all_spare) readers_.front()->spare.reset();
  if (readers_.size() > 1) return;
  Reader& left = *readers_.front();
  const bool open = left.piece != nullptr && left.body_end == whole_.total_bytes;
  if (open && left.body != nullptr) pieces_.ExtendToEnd(*left.piece);
}

void SegmentedRead::WakeReaders() {
  for (const std::unique_ptr<Reader>& reader : readers_) reader->wake.Set();
}

// One at a time: the next when this one is measured.
void SegmentedRead::AddOneMore() {
  SegmentController& controller = deps_.controller;
  const bool enough = controller.wanted() <= static_cast<int>(readers_.size());
  if (readers_.empty() || enough) return;
  std::optional<SpareTransfers::Spare> spare = TakeSpare();
  if (!spare) return controller.Refused(deps_.transfer.clock.Now());
  if (readers_.size() == 1) {
    Piece& piece = *readers_.front()->piece;
    pieces_.Cut(piece, EndOfPiece(piece.at, readers_.front()->reads_to));
  }
  AddReader(std::move(spare));
}

std::optional<SpareTransfers::Spare> SegmentedRead::TakeSpare() {
  std::uint64_t left = pieces_.unclaimed();
  if (readers_.size() == 1) {
    if (readers_.front()->piece == nullptr) return std::nullopt;
    left += readers_.front()->piece->left();
  }
  const std::uint64_t least =
      std::max(deps_.transfer.config.segments.min_bytes, 2 * LargestPiece());
  if (left < least || IsRateLimited(deps_.transfer, deps_.origin)) return std::nullopt;
  return deps_.transfer.spares->TryTake(deps_.origin);
}

}  // namespace fetchd::fetch
