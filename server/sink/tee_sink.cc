#include "sink/tee_sink.h"

#include <algorithm>
#include <utility>

namespace fetchd::sink {

bool TeeSink::Readable(const Branch& branch) {
  return branch.status.ok() && branch.sink->CanReadBack();
}

TeeSink::TeeSink(std::vector<std::unique_ptr<Sink>> sinks) {
  for (std::unique_ptr<Sink>& sink : sinks) branches_.push_back({.sink = std::move(sink)});
}

// OK when the others go on without the branch.
Task<absl::Status> TeeSink::Note(Branch& branch, absl::Status status) {
  if (status.ok() || absl::IsUnavailable(status)) co_return status;
  branch.status = status;
  // What cannot be removed now is swept at the next start.
  const absl::Status aborted = co_await branch.sink->Abort();
  aborted.IgnoreError();
  const bool any_left =
      std::ranges::any_of(branches_, [](const Branch& other) { return other.status.ok(); });
  co_return any_left ? absl::OkStatus() : status;
}

Task<absl::StatusOr<std::uint64_t>> TeeSink::Open(std::uint64_t resume_bytes) {
  bool all_kept = true;
  for (Branch& branch : branches_) {
    const absl::StatusOr<std::uint64_t> kept = co_await branch.sink->Open(resume_bytes);
    CO_RETURN_IF_ERROR(co_await Note(branch, kept.status()));
    branch.kept = kept.value_or(0);
    all_kept = all_kept && (!kept.ok() || *kept == resume_bytes);
  }
  if (all_kept) co_return resume_bytes;
  for (Branch& branch : branches_) {
    if (!branch.status.ok() || branch.kept == 0) continue;
    const absl::Status restarted = co_await branch.sink->Restart();
    CO_RETURN_IF_ERROR(co_await Note(branch, restarted));
  }
  co_return 0;
}

// Of those that take part.
template <typename Step>
Task<absl::Status> TeeSink::ForEach(Step step) {
  for (Branch& branch : branches_) {
    if (!branch.status.ok()) continue;
    const absl::Status done = co_await step(*branch.sink);
    CO_RETURN_IF_ERROR(co_await Note(branch, done));
  }
  co_return absl::OkStatus();
}

Task<absl::Status> TeeSink::Restart() {
  co_return co_await ForEach([](Sink& sink) { return sink.Restart(); });
}

void TeeSink::Describe(const BodyFacts& facts) {
  for (Branch& branch : branches_) {
    if (branch.status.ok()) branch.sink->Describe(facts);
  }
}

// Those that take part and can.
bool TeeSink::CanReadBack() const { return std::ranges::any_of(branches_, Readable); }

Task<absl::StatusOr<std::size_t>> TeeSink::ReadBack(std::uint64_t offset,
                                                    std::span<std::byte> out) {
  const auto first = std::ranges::find_if(branches_, Readable);
  if (first == branches_.end()) co_return absl::UnimplementedError("nothing can be read back");
  co_return co_await first->sink->ReadBack(offset, out);
}

std::uint64_t TeeSink::NextMark(std::uint64_t size_bytes) const {
  std::uint64_t next = 0;
  for (const Branch& branch : branches_) {
    const std::uint64_t mark = branch.status.ok() ? branch.sink->NextMark(size_bytes) : 0;
    if (mark != 0 && (next == 0 || mark < next)) next = mark;
  }
  return next;
}

Task<absl::Status> TeeSink::Write(std::span<const std::byte> bytes) {
  co_return co_await ForEach([bytes](Sink& sink) { return sink.Write(bytes); });
}

bool TeeSink::CanWriteAhead() const {
  return std::ranges::all_of(branches_, [](const Branch& branch) {
    return !branch.status.ok() || branch.sink->CanWriteAhead();
  });
}

bool TeeSink::TryMakeRoom(std::uint64_t end) {
  return std::ranges::all_of(branches_, [end](const Branch& branch) {
    return !branch.status.ok() || branch.sink->TryMakeRoom(end);
  });
}

Task<absl::Status> TeeSink::WriteAhead(std::uint64_t offset, std::span<const std::byte> bytes) {
  co_return co_await ForEach(
      [offset, bytes](Sink& sink) { return sink.WriteAhead(offset, bytes); });
}

// All have the same bytes.
std::span<const std::byte> TeeSink::Held(std::uint64_t offset) const {
  for (const Branch& branch : branches_) {
    if (!branch.status.ok()) continue;
    const std::span<const std::byte> held = branch.sink->Held(offset);
    if (!held.empty()) return held;
  }
  return {};
}

Task<absl::Status> TeeSink::Advance(std::uint64_t bytes) {
  co_return co_await ForEach([bytes](Sink& sink) { return sink.Advance(bytes); });
}

Task<absl::StatusOr<std::uint64_t>> TeeSink::Checkpoint() {
  std::optional<std::uint64_t> least;
  for (Branch& branch : branches_) {
    if (!branch.status.ok()) continue;
    const absl::StatusOr<std::uint64_t> kept = co_await branch.sink->Checkpoint();
    CO_RETURN_IF_ERROR(co_await Note(branch, kept.status()));
    if (kept.ok()) least = std::min(least.value_or(*kept), *kept);
  }
  co_return least.value_or(0);
}

Task<absl::StatusOr<Receipt>> TeeSink::Commit() {
  for (Branch& branch : branches_) {
    if (!branch.status.ok()) continue;
    absl::StatusOr<Receipt> receipt = co_await branch.sink->Commit();
    CO_RETURN_IF_ERROR(co_await Note(branch, receipt.status()));
    if (receipt.ok()) branch.receipt = *std::move(receipt);
  }
  const auto first =
      std::ranges::find_if(branches_, [](const Branch& branch) { return branch.status.ok(); });
  co_return first->receipt;
}

Task<absl::Status> TeeSink::Abort() {
  absl::Status first_failure;
  for (Branch& branch : branches_) {
    const absl::Status aborted = co_await branch.sink->Abort();
    first_failure.Update(aborted);
  }
  co_return first_failure;
}

std::vector<absl::StatusOr<Receipt>> TeeSink::Outcomes() const {
  std::vector<absl::StatusOr<Receipt>> outcomes;
  for (const Branch& branch : branches_) {
    if (branch.status.ok()) {
      outcomes.emplace_back(branch.receipt);
    } else {
      outcomes.emplace_back(branch.status);
    }
  }
  return outcomes;
}

}  // namespace fetchd::sink
