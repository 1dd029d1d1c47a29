#include "sink/part_uploads.h"

#include <utility>

#include "base/strings.h"

namespace fetchd::sink {

absl::Status UploadError(const absl::Status& status) {
  if (!absl::IsNotFound(status)) return status;
  return WithPrefix(absl::UnavailableError(MessageOf(status)), "the upload is gone");
}

PartUploads::PartUploads(Target target, std::vector<objstore::Part> parts, int in_flight,
                         Clock& clock, runtime::TaskGroup& tasks)
    : target_(std::move(target)),
      clock_(clock),
      tasks_(tasks),
      parts_(std::move(parts)),
      slots_(static_cast<std::uint64_t>(in_flight)) {}

Task<absl::Status> PartUploads::Send(int number, std::shared_ptr<const PartBuffer> bytes,
                                     Deadline deadline) {
  CO_ASSIGN_OR_RETURN(Permit slot, co_await slots_.Acquire(1, clock_, deadline, "part uploads"));
  if (!failure_.ok()) co_return failure_;
  if (number > kMaxParts) {
    co_return absl::ResourceExhaustedError(
        Concat("the body is larger than ", kMaxParts, " parts: raise part_bytes of the store"));
  }
  while (parts_.size() < static_cast<std::size_t>(number)) {
    parts_.push_back({.number = static_cast<int>(parts_.size()) + 1, .etag = {}});
  }
  parts_[static_cast<std::size_t>(number) - 1] = {
      .number = number, .etag = {}, .size_bytes = bytes->size()};
  sending_.push_back(tasks_.Spawn(
      "upload part", SendPart(shared_from_this(), number, std::move(bytes), std::move(slot))));
  co_return absl::OkStatus();
}

Task<absl::Status> PartUploads::SendPart(std::shared_ptr<PartUploads> self, int number,
                                         std::shared_ptr<const PartBuffer> bytes, Permit slot) {
  const Target& target = self->target_;
  const absl::StatusOr<objstore::Part> sent =
      co_await target.store.PutPart(target.object, target.upload, number, bytes->blocks());
  if (sent.ok()) {
    self->parts_[static_cast<std::size_t>(number) - 1] = *sent;
  } else {
    self->failure_.Update(UploadError(sent.status()));
  }
  bytes.reset();
  slot.Release();
  co_return sent.status();
}

Task<absl::Status> PartUploads::Settle(Deadline deadline) {
  const absl::StatusOr<Permit> all =
      co_await slots_.Acquire(slots_.capacity(), clock_, deadline, "part uploads");
  co_return all.status();
}

Task<absl::Status> PartUploads::Join(Deadline deadline) {
  CO_RETURN_IF_ERROR(co_await Settle(deadline));
  co_return failure_;
}

void PartUploads::Cancel() {
  for (const runtime::TaskHandle& task : sending_) task.Cancel();
}

std::uint64_t PartUploads::ArrivedOf(std::uint64_t bytes) const {
  std::uint64_t end = 0;
  for (const objstore::Part& part : parts_) {
    if (part.etag.empty() || part.size_bytes != target_.plan.SizeOf(part.number)) break;
    if (part.size_bytes > bytes - end) break;
    end += part.size_bytes;
  }
  return end;
}

}  // namespace fetchd::sink
