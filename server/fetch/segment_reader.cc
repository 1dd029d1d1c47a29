// SegmentedRead, second half: what each reader does.
#include "fetch/segment_reader.h"

#include <algorithm>
#include <limits>

#include "base/strings.h"
#include "fetch/pushback.h"
#include "fetch/request.h"

namespace fetchd::fetch {
namespace {

/// A spare reader stands in line for a connection no longer than this.
constexpr Duration kLine = std::chrono::milliseconds(250);
constexpr std::uint64_t kAllThatIsLeft = std::numeric_limits<std::uint64_t>::max();

}  // namespace

Task<absl::Status> SegmentedRead::RunReader(Reader& reader) {
  while (co_await TakePiece(reader)) {
    const bool read = co_await ReadPiece(reader);
    if (!read) break;
    pieces_.Leave(*std::exchange(reader.piece, nullptr));
  }
  co_return absl::OkStatus();
}

bool SegmentedRead::Fail(Reader& reader, Outcome outcome, absl::Status status) {
  reader.outcome = outcome;
  reader.status = std::move(status);
  return false;
}

// False when there is nothing to do any more, for this one or for all.
Task<bool> SegmentedRead::TakePiece(Reader& reader) {
  while (!ShouldLeave(reader)) {
    const bool alone = readers_.size() == 1;
    const std::uint64_t ahead = alone ? kAllThatIsLeft : 2 * readers_.size() * LargestPiece();
    const auto end_of = [this, alone](std::uint64_t from) {
      return alone ? pieces_.total_bytes() : EndOfPiece(from);
    };
    reader.piece = pieces_.Take(end_of, ahead);
    if (reader.piece == nullptr) {
      if (!pieces_.all_taken()) StopSlowest(reader);
    } else if (HasRoom(*reader.piece)) {
      co_return true;
    } else {
      pieces_.Leave(*std::exchange(reader.piece, nullptr));
      const absl::Status why = absl::UnavailableError("there is no memory to read ahead");
      if (reader.spare) co_return Fail(reader, Outcome::kNoPlace, why);
      no_room_ = true;
    }
    co_await reader.wake.Wait();
  }
  co_return false;
}

// What comes in order may wait for its memory, what is ahead has it: so nobody waits who holds
// some. Of what one reader alone asks for, that of one piece: the rest comes in order.
bool SegmentedRead::HasRoom(const Piece& piece) {
  const bool in_order = piece.at == front_;
  if (in_order && readers_.size() == 1) return true;
  return deps_.target.TryMakeRoom(std::min(piece.end, EndOfPiece(piece.at))) || in_order;
}

// `least`: it ends no earlier.
std::uint64_t SegmentedRead::EndOfPiece(std::uint64_t from, std::uint64_t least) const {
  const std::uint64_t mark = deps_.target.NextMark(std::max(from + 1, least) - 1);
  return mark != 0 ? mark : std::max(from + deps_.controller.piece_bytes(), least);
}

std::uint64_t SegmentedRead::LargestPiece() {
  const std::uint64_t next = pieces_.next();
  largest_piece_ = std::max(largest_piece_, EndOfPiece(next) - next);
  return largest_piece_;
}

// One without a spare waits for what may come back from the others.
bool SegmentedRead::ShouldLeave(const Reader& reader) {
  if (pieces_.contiguous() == pieces_.total_bytes()) return true;
  if (!reader.spare) return false;
  if (pieces_.all_taken()) return true;
  SegmentController& controller = deps_.controller;
  const bool too_many = controller.wanted() < static_cast<int>(readers_.size());
  if (too_many || IsRateLimited(deps_.transfer, deps_.origin)) return true;
  if (!deps_.transfer.spares->IsWanted(deps_.origin)) return false;
  controller.GaveBack(deps_.transfer.clock.Now());
  return true;
}

// The others are ahead as far as they may be, and one has not brought a single piece meanwhile: it
// is stopped, and what is left of its piece is for the one who waits.
void SegmentedRead::StopSlowest(const Reader& wants) {
  const Piece* front = pieces_.front();
  for (const std::unique_ptr<Reader>& reader : readers_) {
    if (reader.get() == &wants || reader->piece == nullptr || reader->piece != front) continue;
    reader->task.Cancel();
  }
}

// False when it came to no good end: see Reader::outcome.
Task<bool> SegmentedRead::ReadPiece(Reader& reader) {
  const bool has_response = reader.body != nullptr;
  if (!has_response) {
    const bool sent = co_await Ask(reader);
    if (!sent) co_return false;
  }
  reader.answered = true;
  news_.Set();
  const bool read = co_await ReadBytes(reader);
  if (!read) co_return false;
  const bool to_its_end = reader.body_end == reader.piece->end;
  if (to_its_end) {
    const absl::Status end = co_await deps_.bodies.ExpectEnd(*reader.body);
    if (!end.ok()) co_return Fail(reader, Outcome::kFailed, end);
  }
  reader.body.reset();
  co_return true;
}

Task<bool> SegmentedRead::ReadBytes(Reader& reader) {
  Piece& piece = *reader.piece;
  for (bool ended = false; true;) {
    if (piece.left() == 0) {
      const bool keeps = co_await KeepResponse(reader);
      if (!keeps) co_return true;
    }
    if (ended) {
      co_return Fail(reader, Outcome::kFailed, absl::DataLossError("the body ended too early"));
    }
    absl::StatusOr<sink::Buffer> buffer =
        co_await deps_.bodies.Acquire(piece.left(), deps_.deadline);
    if (!buffer.ok()) co_return Fail(reader, Outcome::kFailed, buffer.status());
    reader.buffer = *std::move(buffer);
    reader.reads_to = piece.at + std::min<std::uint64_t>(piece.left(), reader.buffer.capacity());
    const absl::Status filled =
        co_await deps_.bodies.Fill(*reader.body, piece.left(), reader.buffer, ended);
    const std::uint64_t got = reader.buffer.size();
    reader.handed_over = got > 0;
    if (got == 0) reader.buffer = sink::Buffer();
    news_.Set();
    while (reader.handed_over) co_await reader.wake.Wait();
    if (!filled.ok()) co_return Fail(reader, Outcome::kFailed, filled);
    const absl::Status waited = co_await deps_.bodies.WaitForRates(got, deps_.deadline);
    if (!waited.ok()) co_return Fail(reader, Outcome::kFailed, waited);
  }
}

// At the end of a piece: the response goes on behind it, and nobody has shown that another would be
// sent. Then those who try are stopped, and the response is read on.
Task<bool> SegmentedRead::KeepResponse(Reader& reader) {
  if (reader.body_end == reader.piece->end) co_return false;
  while (!proven_ && readers_.size() > 1) {
    for (const std::unique_ptr<Reader>& other : readers_) {
      if (other.get() != &reader) other->task.Cancel();
    }
    co_await reader.wake.Wait();
  }
  co_return !proven_ && pieces_.ExtendToEnd(*reader.piece);
}

Task<bool> SegmentedRead::Ask(Reader& reader) {
  const ByteRange range{reader.piece->at, reader.piece->end - 1};
  const TransferDeps& transfer = deps_.transfer;
  Asked asked{.offset = range.first, .validator = whole_.validator};
  asked.range = ByteRange{0, range.last};
  std::vector<http::ExchangeRecord> records;
  http::Call call;
  call.deadline = deps_.deadline;
  call.timeouts = TimeoutsOf(deps_.spec, transfer.config.timeouts);
  call.records = &records;
  if (reader.spare) call.timeouts.pool_wait = std::min(call.timeouts.pool_wait, kLine);
  http::RedirectConfig redirects = RedirectsOf(deps_.spec, transfer.config.redirects);
  redirects.may_ask = [&transfer](const Origin& origin) {
    const OriginPacer::OriginState state = transfer.pacer.StateOf(origin);
    return HoldsStreams(state.hold) ? OriginHeldError(state) : absl::OkStatus();
  };
  absl::StatusOr<http::Request> request =
      MakeRequest(deps_.spec, deps_.url, asked, transfer.config, deps_.facts.span_id);
  if (!request.ok()) co_return Fail(reader, Outcome::kNoPiece, request.status());
  absl::StatusOr<http::Response> response =
      co_await client_.Send(*std::move(request), call, redirects);
  if (!response.ok()) {
    const bool no_place = !records.empty() && records.back().failed_phase == Phase::kPoolWait;
    const Outcome failed = IsPassing(response.status()) ? Outcome::kFailed : Outcome::kNoPiece;
    co_return Fail(reader, no_place ? Outcome::kNoPlace : failed, response.status());
  }
  const std::string why = WhyNotPiece(*response, range, whole_);
  if (!why.empty()) {
    co_await response->body->Discard();
    co_return Refuse(reader, *response, why);
  }
  proven_ = true;
  deps_.facts.segments.pieces += 1;
  transfer.spares->CountPiece();
  reader.body = std::move(response->body);
  reader.body_end = reader.piece->end;
  co_return true;
}

// An origin that wants less of us says so to a reader too.
bool SegmentedRead::Refuse(Reader& reader, const http::Response& response, const std::string& why) {
  const int status = response.head.status;
  const std::optional<Duration> pause =
      WantedPause(status, response.head.headers, deps_.transfer.clock.WallNow(), false);
  const bool pushback = status == 429 || (status == 503 && pause);
  if (pushback && reader.spare) {
    reader.spare->turn().End({.kind = OriginOutcome::Kind::kPushback, .cool_down = pause});
  }
  return Fail(reader, Outcome::kNoPiece, absl::UnavailableError(why));
}

}  // namespace fetchd::fetch
