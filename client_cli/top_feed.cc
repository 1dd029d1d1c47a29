#include "cli/top_feed.h"

#include <utility>

#include "base/strings.h"
#include "cli/errors.h"

namespace fetchd::cli {
namespace {

constexpr int kMostRunning = 1000;
constexpr int kMostWaiting = 200;

grpc::Status AddJobs(Session& session, const std::vector<v1::Job::State>& states, int most,
                     std::vector<v1::Job>& jobs) {
  v1::ListJobsRequest request;
  for (const v1::Job::State state : states) request.mutable_filter()->add_states(state);
  request.set_page_size(most);
  v1::ListJobsResponse page;
  auto call = session.connection.Unary(session.interrupt);
  const grpc::Status status = session.connection.fetch().ListJobs(call.context(), request, &page);
  for (v1::Job& job : *page.mutable_jobs()) jobs.push_back(std::move(job));
  return status;
}

const char* VerbOf(TopAction::Kind kind) {
  switch (kind) {
    case TopAction::Kind::kCancel:
      return "cancel";
    case TopAction::Kind::kPause:
      return "pause";
    case TopAction::Kind::kResume:
      return "resume";
    case TopAction::Kind::kNone:
    case TopAction::Kind::kQuit:
      break;
  }
  return "nothing";
}

}  // namespace

grpc::Status TakeSample(Session& session, TopSample& sample) {
  {
    auto call = session.connection.Unary(session.interrupt);
    const grpc::Status status = session.connection.admin().GetStatus(
        call.context(), v1::GetStatusRequest(), &sample.status);
    if (!status.ok()) return status;
  }
  sample.at = std::chrono::steady_clock::now();
  sample.wall = std::chrono::system_clock::now();
  {
    v1::ListOriginsResponse response;
    auto call = session.connection.Unary(session.interrupt);
    const grpc::Status status =
        session.connection.admin().ListOrigins(call.context(), v1::ListOriginsRequest(), &response);
    if (!status.ok()) return status;
    sample.origins.assign(response.origins().begin(), response.origins().end());
  }
  const grpc::Status running = AddJobs(session, {v1::Job::RUNNING}, kMostRunning, sample.jobs);
  if (!running.ok()) return running;
  return AddJobs(session,
                 {v1::Job::QUEUED, v1::Job::WAITING, v1::Job::INTERRUPTED, v1::Job::PAUSED},
                 kMostWaiting, sample.jobs);
}

TopFeed::TopFeed(Session& session, std::chrono::milliseconds interval)
    : session_(session), interval_(interval), thread_([this] { Run(); }) {}

TopFeed::~TopFeed() {
  looks_.Trigger();
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
}

void TopFeed::Do(TopAction action) {
  {
    const std::lock_guard lock(mutex_);
    actions_.push_back(std::move(action));
  }
  changed_.notify_all();
}

TopFeed::News TopFeed::Take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(news_, {});
}

std::optional<grpc::Status> TopFeed::final_error() {
  const std::lock_guard lock(mutex_);
  return final_error_;
}

std::vector<TopFeed::Result> TopFeed::Finish(std::chrono::milliseconds limit) {
  looks_.Trigger();
  std::unique_lock lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
  if (!changed_.wait_for(lock, limit, [this] { return ended_; })) {
    lock.unlock();
    session_.interrupt.Trigger();
    lock.lock();
    changed_.wait(lock, [this] { return ended_; });
  }
  std::vector<Result> failed;
  for (Result& result : news_.results) {
    if (!result.status.ok()) failed.push_back(std::move(result));
  }
  for (const TopAction& action : actions_) {
    failed.push_back({Concat(action.job, ": ", VerbOf(action.kind), " was not sent"),
                      grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "")});
  }
  news_.results.clear();
  actions_.clear();
  return failed;
}

void TopFeed::Run() {
  do {
    Ask();
  } while (WaitForNext());
  const std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

void TopFeed::Ask() {
  TopSample sample;
  Session looking{session_.console, looks_, session_.connection};
  const grpc::Status status = TakeSample(looking, sample);
  const std::lock_guard lock(mutex_);
  if (status.ok()) {
    news_.sample = std::move(sample);
    news_.error.reset();
  } else if (IsInterruption(status) || status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    news_.error = status.error_message();
  } else {
    final_error_ = status;
  }
}

bool TopFeed::WaitForNext() {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, interval_, [this] { return stopping_ || !actions_.empty(); });
  if (final_error_) return false;
  while (!actions_.empty() && !session_.interrupt.triggered()) {
    const TopAction action = std::move(actions_.front());
    actions_.pop_front();
    lock.unlock();
    Result result = Perform(action);
    lock.lock();
    news_.results.push_back(std::move(result));
  }
  return !stopping_ && !session_.interrupt.triggered();
}

TopFeed::Result TopFeed::Perform(const TopAction& action) {
  v1::Job job;
  grpc::Status status;
  const char* done = "";
  auto call = session_.connection.Unary(session_.interrupt);
  auto& fetch = session_.connection.fetch();
  const auto ask = [&]<typename Request>(Request request, auto method) {
    request.set_name(action.job);
    status = (fetch.*method)(call.context(), request, &job);
  };
  switch (action.kind) {
    case TopAction::Kind::kCancel:
      ask(v1::CancelJobRequest(), &v1::FetchService::StubInterface::CancelJob);
      done = "cancelled ";
      break;
    case TopAction::Kind::kPause:
      ask(v1::PauseJobRequest(), &v1::FetchService::StubInterface::PauseJob);
      done = "paused ";
      break;
    case TopAction::Kind::kResume:
      ask(v1::ResumeJobRequest(), &v1::FetchService::StubInterface::ResumeJob);
      done = "goes on: ";
      break;
    case TopAction::Kind::kNone:
    case TopAction::Kind::kQuit:
      break;
  }
  if (status.ok()) return {Concat(done, action.job), status};
  if (session_.interrupt.triggered()) {
    return {Concat(action.job, ": no answer to ", VerbOf(action.kind),
                   ", which may have been done all the same"),
            grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "")};
  }
  return {Concat(action.job, ": ", status.error_message()), status};
}

}  // namespace fetchd::cli
