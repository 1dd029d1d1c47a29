#include "rpc/job_watch.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "rpc/auth_scope.h"
#include "rpc/convert_job.h"
#include "rpc/convert_time.h"
#include "rpc/resume_token.h"
#include "rpc/status.h"

namespace fetchd::rpc {
namespace {

constexpr int kMaxNames = 10'000;
constexpr int kEventBatch = 256;
constexpr int kPageSize = 1000;
constexpr Duration kMinProgressInterval = std::chrono::milliseconds(50);

absl::Status ReadNames(const v1::WatchJobsRequest& request, WatchSpec& spec) {
  if (request.names_size() > kMaxNames) return InvalidField("names", "at most 10,000");
  for (int i = 0; i < request.names_size(); ++i) {
    ASSIGN_OR_RETURN(JobId id, ParseName(request.names(i), Concat("names[", i, "]")));
    spec.filter.ids.push_back(std::move(id));
  }
  if (request.until_done() && request.names().empty()) {
    return InvalidField("until_done", "needs names: without them there is always a next job");
  }
  return absl::OkStatus();
}

absl::Status ReadProgress(const v1::WatchJobsRequest& request, WatchSpec& spec) {
  spec.progress = !request.no_progress();
  if (!request.has_progress_interval()) return absl::OkStatus();
  ASSIGN_OR_RETURN(spec.progress_interval,
                   FromProto(request.progress_interval(), "progress_interval"));
  if (spec.progress_interval < kMinProgressInterval) {
    return InvalidField("progress_interval", "at least 50 ms; use no_progress for none");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<WatchSpec> FromProto(const v1::WatchJobsRequest& request, const Principal& caller) {
  WatchSpec spec{.caller = caller};
  ASSIGN_OR_RETURN(spec.filter, FromProto(request.filter()));
  RETURN_IF_ERROR(NarrowTo(caller, spec.filter));
  spec.states = std::exchange(spec.filter.states, {});
  RETURN_IF_ERROR(ReadNames(request, spec));
  RETURN_IF_ERROR(ReadProgress(request, spec));
  spec.until_done = request.until_done();
  if (!request.resume_token().empty()) {
    ASSIGN_OR_RETURN(spec.after, DecodeResumeToken(request.resume_token(), caller.scope()));
  }
  return spec;
}

Task<absl::Status> JobWatch::Run() {
  const auto executor = co_await asio::this_coro::executor;
  // Before the first look, so that nothing falls between looking and waiting.
  const std::shared_ptr<Waker> waker = hub_.Make(executor);
  CO_RETURN_IF_ERROR(co_await Begin());
  while (true) {
    const bool ended = hub_.ended();
    CO_RETURN_IF_ERROR(co_await CatchUp());
    if (spec_.until_done && unfinished_.empty()) co_return absl::OkStatus();
    if (ended) co_return DrainingError();
    if (deps_.clock.Now() >= next_progress_) CO_RETURN_IF_ERROR(co_await SendProgress());
    CO_RETURN_IF_ERROR(co_await WaitForNews(waker));
  }
}

Task<absl::StatusOr<bool>> JobWatch::HasMissedNothing() {
  CO_RETURN_IF_ERROR(co_await Begin());
  if (!unfinished_.empty()) co_return false;
  std::int64_t after = after_;
  while (true) {
    absl::StatusOr<std::vector<jobs::JobEvent>> events =
        co_await deps_.store.EventsAfter(after, spec_.filter, kEventBatch);
    if (!events.ok()) co_return events.status();
    for (const jobs::JobEvent& event : *events) {
      if (event.deleted || Wants(event.state)) co_return false;
      after = event.sequence;
    }
    if (events->size() < kEventBatch) co_return true;
  }
}

Task<absl::Status> JobWatch::Begin() {
  after_ = spec_.after.value_or(started_at_);
  const std::vector<JobId>& ids = spec_.filter.ids;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    CO_RETURN_IF_ERROR(co_await BeginWithName(ids[i], i + 1 == ids.size()));
  }
  if (spec_.filter.ids.empty() && spec_.progress) CO_RETURN_IF_ERROR(co_await FindRunning());
  co_return absl::OkStatus();
}

// Only the last of the first events has a resume token: a watch that goes on from an earlier one
// would not learn of the jobs after it.
Task<absl::Status> JobWatch::BeginWithName(JobId id, bool last) {
  const std::int64_t newest = deps_.store.LastSequence();  // Before: the job shows all up to it.
  absl::StatusOr<jobs::Job> job = co_await GetOwn(deps_.store, spec_.caller, id);
  // A watch that goes on may name a job that was deleted since: its event tells.
  if (spec_.after && absl::IsNotFound(job.status())) co_return absl::OkStatus();
  if (!job.ok()) co_return WithPrefix(job.status(), id.name());
  Track(id, job->state, false);
  if (spec_.after) co_return absl::OkStatus();
  known_through_[id] = newest;
  if (!Wants(job->state)) co_return absl::OkStatus();
  const auto sequence = last ? std::optional(started_at_) : std::nullopt;
  v1::WatchJobsResponse response = StateChange(*job, job->state, job->updated_at, sequence);
  co_return co_await writer_.Write(std::move(response));
}

Task<absl::Status> JobWatch::FindRunning() {
  jobs::JobFilter filter = spec_.filter;
  filter.states = {jobs::State::kRunning};
  std::string page_token;
  do {
    absl::StatusOr<jobs::JobPage> page =
        co_await deps_.store.List(filter, kPageSize, std::move(page_token));
    if (!page.ok()) co_return page.status();
    for (const jobs::Job& job : page->jobs) Track(job.id, job.state, false);
    page_token = std::move(page->next_page_token);
  } while (!page_token.empty());
  co_return absl::OkStatus();
}

Task<absl::Status> JobWatch::CatchUp() {
  while (true) {
    const std::int64_t newest = deps_.store.LastSequence();
    absl::StatusOr<std::vector<jobs::JobEvent>> events =
        co_await deps_.store.EventsAfter(after_, spec_.filter, kEventBatch);
    if (!events.ok()) co_return events.status();
    for (jobs::JobEvent& event : *events) {
      after_ = event.sequence;
      CO_RETURN_IF_ERROR(co_await SendEvent(std::move(event)));
    }
    if (events->size() < kEventBatch) {
      // What did not match up to here need not be read again.
      after_ = std::max(after_, newest);
      co_return absl::OkStatus();
    }
  }
}

Task<absl::Status> JobWatch::SendEvent(jobs::JobEvent event) {
  const auto known = known_through_.find(event.job.id);
  if (known != known_through_.end()) {
    if (event.sequence <= known->second && !event.deleted) co_return absl::OkStatus();
    known_through_.erase(known);
  }
  Track(event.job.id, event.state, event.deleted);
  v1::WatchJobsResponse response;
  if (event.deleted) {
    response.set_name(event.job.id.name());
    response.set_resume_token(EncodeResumeToken(event.sequence, spec_.caller.scope()));
    *response.mutable_event_time() = ToProto(event.at);
    response.mutable_deleted();
  } else if (Wants(event.state)) {
    response = StateChange(event.job, event.state, event.at, event.sequence);
  } else {
    co_return absl::OkStatus();
  }
  co_return co_await writer_.Write(std::move(response));
}

Task<absl::Status> JobWatch::SendProgress() {
  next_progress_ = deps_.clock.Now() + spec_.progress_interval;
  if (!spec_.progress || !Wants(jobs::State::kRunning)) co_return absl::OkStatus();
  std::vector<v1::WatchJobsResponse> responses;
  for (auto& [id, sent_bytes] : running_) {
    const std::optional<fetch::Progress> progress = deps_.engine.ProgressOf(id);
    if (!progress || progress->received_bytes == sent_bytes) continue;
    sent_bytes = progress->received_bytes;
    v1::WatchJobsResponse& response = responses.emplace_back();
    response.set_name(id.name());
    *response.mutable_event_time() = ToProto(deps_.clock.WallNow());
    *response.mutable_progress() = ToProto(*progress);
  }
  for (v1::WatchJobsResponse& response : responses) {
    CO_RETURN_IF_ERROR(co_await writer_.Write(std::move(response)));
  }
  co_return absl::OkStatus();
}

Task<absl::Status> JobWatch::WaitForNews(std::shared_ptr<Waker> waker) {
  const bool tick = spec_.progress && !running_.empty();
  const Deadline until = tick ? Deadline::At(next_progress_) : Deadline::Never();
  const absl::StatusOr<bool> woken =
      co_await WithDeadline(deps_.clock, until, "progress", waker->Wait());
  if (woken.ok() || absl::IsDeadlineExceeded(woken.status())) co_return absl::OkStatus();
  co_return woken.status();
}

void JobWatch::Track(const JobId& id, jobs::State state, bool deleted) {
  const bool ended = deleted || jobs::IsTerminal(state);
  if (spec_.until_done && ended) unfinished_.erase(id);
  if (spec_.until_done && !ended) unfinished_.insert(id);
  if (!deleted && state == jobs::State::kRunning) {
    running_.try_emplace(id, 0);
  } else {
    running_.erase(id);
  }
}

bool JobWatch::Wants(jobs::State state) const {
  return spec_.states.empty() || std::ranges::find(spec_.states, state) != spec_.states.end();
}

v1::WatchJobsResponse JobWatch::StateChange(const jobs::Job& job, jobs::State state, WallTime at,
                                            std::optional<std::int64_t> sequence) const {
  v1::WatchJobsResponse response;
  response.set_name(job.id.name());
  if (sequence) response.set_resume_token(EncodeResumeToken(*sequence, spec_.caller.scope()));
  *response.mutable_event_time() = ToProto(at);
  response.mutable_state_change()->set_state(ToProto(state));
  *response.mutable_state_change()->mutable_job() = ToProto(job, deps_.engine.ProgressOf(job.id));
  return response;
}

}  // namespace fetchd::rpc
