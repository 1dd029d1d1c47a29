// ObjectSink, second half: how a body gets into parts.
#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "sink/object_sink.h"

namespace fetchd::sink {

PartPlan ObjectSink::plan() const {
  if (uploads_ != nullptr) return uploads_->plan();
  return PartPlan::For(options_.part_bytes, total_bytes_);
}

std::uint64_t ObjectSink::NextMark(std::uint64_t size_bytes) const {
  const PartPlan parts = plan();
  return parts.EndOf(parts.PartAt(size_bytes));
}

std::uint64_t ObjectSink::SizeOf(int number) const {
  const PartPlan parts = plan();
  const std::uint64_t first = parts.EndOf(number - 1);
  const std::uint64_t size = parts.SizeOf(number);
  const bool last = total_bytes_ && *total_bytes_ > first;
  return last ? std::min(size, *total_bytes_ - first) : size;
}

Task<absl::Status> ObjectSink::Write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    // A full one waits for more: it may be all there is.
    CO_RETURN_IF_ERROR(co_await SendPassed());
    const int number = plan().PartAt(size_bytes_);
    CO_RETURN_IF_ERROR(co_await AwaitRoom(number));
    PartInMemory& part = parts_.at(number);
    if (part.end() > size_bytes_) CO_RETURN_IF_ERROR(co_await DropAhead());
    const std::size_t taken = part.bytes->Append(bytes);
    size_bytes_ += taken;
    bytes = bytes.subspan(taken);
  }
  co_return absl::OkStatus();
}

// With no memory of a later part in hand.
Task<absl::Status> ObjectSink::AwaitRoom(int number) {
  if (parts_.contains(number)) co_return absl::OkStatus();
  if (plan().EndOf(number - 1) != size_bytes_) {
    co_return absl::DataLossError("the body is longer than announced");
  }
  waits_for_room_ = true;
  absl::StatusOr<PartBuffer> bytes =
      co_await deps_.buffers.AcquirePart(SizeOf(number), deps_.clock, options_.deadline);
  waits_for_room_ = false;
  CO_RETURN_IF_ERROR(bytes.status());
  parts_[number] = {size_bytes_, std::make_shared<PartBuffer>(*std::move(bytes))};
  co_return absl::OkStatus();
}

// One that fits a part is not sent before it is whole.
bool ObjectSink::CanWriteAhead() const { return total_bytes_ && *total_bytes_ > plan().SizeOf(1); }

bool ObjectSink::TryMakeRoom(std::uint64_t end) {
  if (waits_for_room_) return false;
  const PartPlan all = plan();
  std::map<int, PartInMemory> more;
  int number = parts_.empty() ? all.PartAt(size_bytes_) : parts_.rbegin()->first + 1;
  for (; all.EndOf(number - 1) < end; ++number) {
    std::optional<PartBuffer> bytes = deps_.buffers.TryAcquirePart(SizeOf(number));
    if (!bytes) return false;
    more[number] = {all.EndOf(number - 1), std::make_shared<PartBuffer>(*std::move(bytes))};
  }
  parts_.merge(more);
  return true;
}

Task<absl::Status> ObjectSink::WriteAhead(std::uint64_t offset, std::span<const std::byte> bytes) {
  if (offset < size_bytes_) co_return absl::InternalError("written ahead over what was written");
  if (!TryMakeRoom(offset + bytes.size())) {
    co_return absl::UnavailableError("there is no memory to write ahead");
  }
  CO_RETURN_IF_ERROR(co_await SendPassed());
  while (!bytes.empty()) {
    const int number = plan().PartAt(offset);
    PartInMemory& part = parts_.at(number);
    if (part.end() != offset) co_return absl::InternalError("a part is written in order");
    const std::size_t taken = part.bytes->Append(bytes);
    offset += taken;
    bytes = bytes.subspan(taken);
    if (part.bytes->full()) CO_RETURN_IF_ERROR(co_await Send(number, part));
  }
  co_return absl::OkStatus();
}

std::span<const std::byte> ObjectSink::Held(std::uint64_t offset) const {
  const auto part = parts_.find(plan().PartAt(offset));
  if (part == parts_.end()) return {};
  return part->second.bytes->From(static_cast<std::size_t>(offset - part->second.first));
}

Task<absl::Status> ObjectSink::Advance(std::uint64_t bytes) {
  const std::uint64_t end = size_bytes_ + bytes;
  for (std::uint64_t at = size_bytes_; at < end;) {
    const std::span<const std::byte> held = Held(at);
    if (held.empty()) co_return absl::InternalError("not all was written ahead");
    at += held.size();
  }
  size_bytes_ = end;
  co_return co_await SendPassed();
}

// Other bytes come than were written ahead, or the same: nobody says which. No task may be sending
// what is written over.
Task<absl::Status> ObjectSink::DropAhead() {
  if (uploads_ != nullptr) CO_RETURN_IF_ERROR(co_await uploads_->Settle(options_.deadline));
  for (auto& [number, part] : parts_) {
    if (part.end() <= size_bytes_) continue;
    part.bytes->Shrink(static_cast<std::size_t>(size_bytes_ - std::min(part.first, size_bytes_)));
    part.sent = false;
  }
  co_return absl::OkStatus();
}

// Those in front of what is written next.
Task<absl::Status> ObjectSink::SendPassed() {
  while (!parts_.empty()) {
    const auto first = parts_.begin();
    PartInMemory& part = first->second;
    if (!part.bytes->full() || part.end() > size_bytes_) break;
    if (!part.sent) CO_RETURN_IF_ERROR(co_await Send(first->first, part));
    parts_.erase(first);
  }
  co_return absl::OkStatus();
}

Task<absl::Status> ObjectSink::SendRest() {
  for (auto& [number, part] : parts_) {
    if (part.sent || part.bytes->size() == 0) continue;
    CO_RETURN_IF_ERROR(co_await Send(number, part));
  }
  parts_.clear();
  co_return absl::OkStatus();
}

absl::Status ObjectSink::CheckWhole() const {
  for (const auto& [number, part] : parts_) {
    if (part.end() <= size_bytes_ || part.bytes->size() == 0) continue;
    return absl::InternalError(Concat(options_.url, " has a hole behind byte ", size_bytes_));
  }
  return absl::OkStatus();
}

Task<absl::Status> ObjectSink::Send(int number, PartInMemory& part) {
  if (uploads_ == nullptr) CO_RETURN_IF_ERROR(co_await InTime(BeginUpload()));
  CO_RETURN_IF_ERROR(co_await uploads_->Send(number, part.bytes, options_.deadline));
  part.sent = true;
  co_return absl::OkStatus();
}

// A crash between the store's answer and our note of it leaves an upload that nobody knows: the
// first note says where to look for it.
Task<absl::Status> ObjectSink::BeginUpload() {
  UploadNote note{.stage = UploadNote::Stage::kBeginning,
                  .plan = plan(),
                  .begun_at = deps_.clock.WallNow(),
                  .own_etags = note_.own_etags};
  CO_RETURN_IF_ERROR(co_await Keep(note));
  CO_ASSIGN_OR_RETURN(note.id, co_await deps_.store.BeginUpload(options_.object, attributes_));
  note.stage = UploadNote::Stage::kOpen;
  CO_RETURN_IF_ERROR(co_await Keep(note));
  uploads_ = std::make_shared<PartUploads>(
      PartUploads::Target{deps_.store, options_.object, note.id, note.plan},
      std::vector<objstore::Part>(), options_.parts_in_flight, deps_.clock, deps_.tasks);
  co_return absl::OkStatus();
}

}  // namespace fetchd::sink
