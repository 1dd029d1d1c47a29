// Writes to callers who may stall.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "base/strings.h"
#include "rpc/bridge.h"

namespace fetchd::rpc {

/// A caller who leaves a message untaken for `idle` is cut off: what was written and not taken is
/// dropped, and its memory is free. By one task. Of() must have told the call its context.
template <typename Message>
class PatientWriter final : public MessageWriter<Message> {
 public:
  /// `advice`: how to go on, for the caller.
  PatientWriter(WriteCall<Message>& call, Clock& clock, Duration idle, const char* advice)
      : call_(call), clock_(clock), idle_(idle), advice_(advice) {}

  /// DEADLINE_EXCEEDED, reason CALLER_IDLE.
  Task<absl::Status> Write(Message message) override {
    const absl::StatusOr<Taken> taken = co_await WithDeadline<Taken>(
        clock_, NextDeadline(), "the caller took nothing", WriteTo(call_, std::move(message)));
    co_return CutOffIfLate(taken.status());
  }

  Deadline NextDeadline() const { return Deadline::After(clock_, idle_); }
  absl::Status CutOffIfLate(const absl::Status& status) {
    if (!absl::IsDeadlineExceeded(status)) return status;
    const absl::Status stalled =
        WithReason(absl::DeadlineExceededError(Concat("the caller took nothing for ",
                                                      idle_ / std::chrono::milliseconds(1),
                                                      " ms (timeouts.caller_idle): ", advice_)),
                   {"CALLER_IDLE", {}});
    call_.CutOff(stalled);
    return stalled;
  }

 private:
  struct Taken {};
  static Task<absl::StatusOr<Taken>> WriteTo(WriteCall<Message>& call, Message message) {
    CO_RETURN_IF_ERROR(co_await call.Write(std::move(message)));
    co_return Taken();
  }

  WriteCall<Message>& call_;
  Clock& clock_;
  const Duration idle_;
  const char* const advice_;
};

}  // namespace fetchd::rpc
