#include "rpc/local_call.h"

#include "rpc/bridge.h"

namespace fetchd::rpc {

LocalCalls::~LocalCalls() {
  std::unique_lock lock(mutex_);
  none_left_.wait(lock, [this] { return live_ == 0; });
}

std::shared_ptr<void> LocalCalls::Count() {
  const std::lock_guard lock(mutex_);
  ++live_;
  return {this, [](LocalCalls* calls) { calls->Forget(); }};
}

void LocalCalls::Forget() {
  const std::lock_guard lock(mutex_);
  --live_;
  none_left_.notify_all();  // With the lock: whoever waits destroys it.
}

void LocalCall::Start(grpc::GenericStub& stub, const LocalCallSpec& spec) {
  self_ = shared_from_this();
  for (const auto& [key, value] : spec.metadata) context_.AddMetadata(key, value);
  if (spec.deadline) context_.set_deadline(*spec.deadline);
  const grpc::Slice slice(spec.request);
  outgoing_ = grpc::ByteBuffer(&slice, 1);
  held_ = true;
  stub.PrepareBidiStreamingCall(&context_, spec.method, grpc::StubOptions(), this);
  AddHold();
  StartRead(&incoming_);
  StartWriteLast(&outgoing_, grpc::WriteOptions());
  StartCall();
}

LocalCall::News LocalCall::Look() {
  const std::lock_guard lock(mutex_);
  if (std::exchange(opened_, false)) return News::kOpened;
  if (message_) return News::kMessage;
  return status_ ? News::kEnded : News::kNone;
}

Task<LocalCall::News> LocalCall::Await(Clock& clock, Deadline deadline) {
  while (true) {
    const News news = Look();
    if (news != News::kNone) co_return news;
    const absl::StatusOr<bool> rung =
        co_await WithDeadline(clock, deadline, "a call of this process", waker_->Wait());
    if (!rung.ok()) co_return News::kNone;
  }
}

absl::StatusOr<std::string> LocalCall::TakeMessage() {
  const std::lock_guard lock(mutex_);
  absl::StatusOr<std::string> message = *std::exchange(message_, std::nullopt);
  if (held_) StartRead(&incoming_);
  return message;
}

grpc::Status LocalCall::status() const {
  const std::lock_guard lock(mutex_);
  return status_.value_or(grpc::Status::CANCELLED);
}

void LocalCall::Abandon() {
  context_.TryCancel();
  ReleaseHold();
}

void LocalCall::ReleaseHold() {
  bool held = false;
  {
    const std::lock_guard lock(mutex_);
    held = std::exchange(held_, false);
  }
  if (held) RemoveHold();
}

void LocalCall::OnReadInitialMetadataDone(bool ok) {
  if (!ok || !context_.GetServerInitialMetadata().contains(kStreamMark)) return;
  {
    const std::lock_guard lock(mutex_);
    opened_ = true;
  }
  waker_->Ring();
}

void LocalCall::OnReadDone(bool ok) {
  if (!ok) return ReleaseHold();
  grpc::Slice whole;
  absl::StatusOr<std::string> message =
      incoming_.DumpToSingleSlice(&whole).ok()
          ? render_(std::string(reinterpret_cast<const char*>(whole.begin()), whole.size()))
          : absl::InternalError("an answer could not be read");
  {
    const std::lock_guard lock(mutex_);
    message_ = std::move(message);
  }
  waker_->Ring();
}

void LocalCall::OnDone(const grpc::Status& status) {
  const auto last = std::move(self_);
  {
    const std::lock_guard lock(mutex_);
    status_ = status;
  }
  waker_->Ring();
}

}  // namespace fetchd::rpc
