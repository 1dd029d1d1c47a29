#include "rpc/create_jobs_call.h"

#include <utility>

#include "base/strings.h"
#include "rpc/convert_job.h"
#include "rpc/status.h"

namespace fetchd::rpc {
namespace {

v1::CreateJobsResponse ErrorResponse(const absl::Status& status) {
  v1::CreateJobsResponse response;
  *response.mutable_error() = ToProtoStatus(status);
  return response;
}

v1::CreateJobsResponse JobResponse(const jobs::Job& job, bool created) {
  v1::CreateJobsResponse response;
  *response.mutable_job() = ToProto(job, std::nullopt);
  response.set_created(created);
  return response;
}

}  // namespace

void CreateJobsCall::Start() {
  self_ = shared_from_this();
  if (!caller_.principal.ok()) {
    const std::lock_guard lock(mutex_);
    reads_ended_ = true;
    end_ = caller_.principal.status();
  }
  Advance();
}

void CreateJobsCall::EndForDrain() {
  {
    const std::lock_guard lock(mutex_);
    reads_ended_ = true;
    if (end_.ok()) end_ = DrainingError();
  }
  Advance();
}

void CreateJobsCall::OnReadDone(bool ok) {
  if (ok) Accept();
  {
    // Only now may another thread begin the next read: it overwrites request_.
    const std::lock_guard lock(mutex_);
    reading_ = false;
    if (!ok) reads_ended_ = true;
  }
  Advance();
}

void CreateJobsCall::OnWriteDone(bool ok) {
  {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    slots_.pop_front();
    if (!ok) gone_ = true;
  }
  Advance();
}

void CreateJobsCall::OnCancel() {
  {
    const std::lock_guard lock(mutex_);
    gone_ = true;
  }
  Advance();
}

void CreateJobsCall::Accept() {
  Slot* slot = nullptr;
  {
    const std::lock_guard lock(mutex_);
    slot = &slots_.emplace_back();
    ++unanswered_;
  }
  if (!request_.job().batch().empty()) {
    groups_.Next().Spawn("CreateJobs entry", CreateInBatch({shared_from_this(), slot}, request_));
    return;
  }
  absl::StatusOr<jobs::Job> job = creator_.Prepare(*caller_.principal, request_);
  if (!job.ok()) return Answer(*slot, ErrorResponse(job.status()));
  if (request_.validate_only()) {
    job->id = JobId();
    return Answer(*slot, JobResponse(*job, false));
  }
  job->spec.trace = caller_.trace;
  groups_.Next().Spawn("CreateJobs item", CreateOne({shared_from_this(), slot}, *std::move(job)));
}

Task<absl::Status> CreateJobsCall::CreateOne(Asked asked, jobs::Job job) {
  const absl::StatusOr<jobs::CreateOutcome> outcome = co_await creator_.Create(std::move(job));
  asked.Answer(outcome.ok() ? JobResponse(outcome->job, outcome->created)
                            : ErrorResponse(outcome.status()));
  co_return absl::OkStatus();
}

Task<absl::Status> CreateJobsCall::CreateInBatch(Asked asked, v1::CreateJobRequest request) {
  if (request.validate_only()) {
    absl::StatusOr<jobs::Job> job =
        co_await creator_.PrepareInBatch(*caller_.principal, std::move(request));
    if (job.ok()) job->id = JobId();
    asked.Answer(job.ok() ? JobResponse(*job, false) : ErrorResponse(job.status()));
  } else {
    const absl::StatusOr<jobs::CreateOutcome> outcome =
        co_await creator_.CreateInBatch(*caller_.principal, std::move(request), caller_.trace);
    asked.Answer(outcome.ok() ? JobResponse(outcome->job, outcome->created)
                              : ErrorResponse(outcome.status()));
  }
  co_return absl::OkStatus();
}

CreateJobsCall::Asked::~Asked() {
  if (call_) Answer(ErrorResponse(absl::CancelledError("the call was cut short")));
}

void CreateJobsCall::Asked::Answer(Response response) {
  const auto call = std::exchange(call_, nullptr);
  call->Answer(*slot_, std::move(response));
  call->Advance();
}

void CreateJobsCall::Answer(Slot& slot, Response response) {
  const std::lock_guard lock(mutex_);
  if (response.created()) ++created_;
  if (response.has_error()) ++refused_;
  --unanswered_;
  slot = std::move(response);
}

void CreateJobsCall::Advance() {
  while (true) {
    Step step;
    const Response* answer = nullptr;
    absl::Status end;
    Gate::Deed deed;
    {
      const std::lock_guard lock(mutex_);
      step = NextStep();
      if (step == Step::kWrite) answer = &*slots_.front();
      if (step == Step::kFinish) {
        end = end_;
        deed = {Gate::NameOf(caller_.principal), caller_.peer,
                Concat(created_, " created, ", refused_, " refused"), caller_.trace};
      }
    }
    switch (step) {
      case Step::kNone:
        return;
      case Step::kRead:
        StartRead(&request_);
        break;
      case Step::kWrite:
        StartWrite(answer);
        break;
      case Step::kFinish:
        gate_.Audit("CreateJobs", deed, end);
        Finish(ToGrpcStatus(end));
        return;
    }
  }
}

CreateJobsCall::Step CreateJobsCall::NextStep() {
  if (finished_) return Step::kNone;
  if (gone_) {
    // gRPC fails what it has; what the tasks have they do all the same, and are counted.
    if (writing_ || reading_ || unanswered_ > 0) return Step::kNone;
    finished_ = true;
    end_ = absl::CancelledError("the caller is gone");
    return Step::kFinish;
  }
  if (!writing_ && !slots_.empty() && slots_.front().has_value()) {
    writing_ = true;
    return Step::kWrite;
  }
  if (reads_ended_) {
    if (!slots_.empty()) return Step::kNone;
    finished_ = true;
    return Step::kFinish;
  }
  if (reading_ || slots_.size() >= kWindow) return Step::kNone;
  reading_ = true;
  return Step::kRead;
}

}  // namespace fetchd::rpc
