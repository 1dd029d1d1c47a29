#include "cli/submission.h"

#include <random>
#include <thread>

#include "base/strings.h"

namespace fetchd::cli {
namespace {

constexpr std::chrono::minutes kReconnectTimeout{2};

std::string RandomHex() {
  std::random_device device;
  std::string bytes;
  for (int i = 0; i < 12; ++i) bytes.push_back(static_cast<char>(device() & 0xff));
  return HexEncode(bytes);
}

}  // namespace

Submitter::Submitter(Session& session, Next next, OnAnswer on_answer)
    : session_(session),
      next_(std::move(next)),
      on_answer_(std::move(on_answer)),
      id_prefix_(Concat("fetchctl-", RandomHex(), "-")) {}

grpc::Status Submitter::Run() {
  Backoff backoff;
  last_answer_ = std::chrono::steady_clock::now();
  while (true) {
    const auto before = last_answer_;
    const grpc::Status status = RunStream();
    if (status.ok() && unanswered_.empty() && exhausted_) return status;
    if (status.ok()) return {grpc::StatusCode::INTERNAL, "the service left jobs unanswered"};
    if (!IsInterruption(status) || !answered_any_) return status;
    if (last_answer_ != before) backoff.Reset();
    if (std::chrono::steady_clock::now() - last_answer_ > kReconnectTimeout) return status;
    if (!backoff.Wait(session_.interrupt)) return status;
  }
}

grpc::Status Submitter::RunStream() {
  auto call = session_.connection.Streaming(session_.interrupt);
  const auto stream = session_.connection.fetch().CreateJobs(call.context());
  sent_ = 0;
  broken_ = false;
  std::jthread writer([this, &stream] { Write(*stream); });
  v1::CreateJobsResponse answer;
  bool takes_more = true;
  while (takes_more && stream->Read(&answer)) takes_more = TakeAnswer(answer);
  if (!takes_more) call.context()->TryCancel();
  {
    const std::lock_guard lock(mutex_);
    broken_ = true;
    room_.notify_all();
  }
  writer.join();
  const grpc::Status status = stream->Finish();
  return takes_more ? status : ToGrpc(answer.error());
}

void Submitter::Write(Stream& stream) {
  while (const auto request = NextToSend()) {
    if (!stream.Write(*request)) return;
  }
  stream.WritesDone();
}

bool Submitter::TakeAnswer(const v1::CreateJobsResponse& answer) {
  if (answer.has_error() && IsInterruption(ToGrpc(answer.error()))) return false;
  std::unique_lock lock(mutex_);
  if (unanswered_.empty() || sent_ == 0) return true;  // An answer to nothing.
  const Submission submission = std::move(unanswered_.front());
  unanswered_.pop_front();
  --sent_;
  room_.notify_all();
  lock.unlock();
  answered_any_ = true;
  last_answer_ = std::chrono::steady_clock::now();
  on_answer_(submission, answer);
  return true;
}

/// First what an earlier stream left unanswered, then new ones.
std::optional<v1::CreateJobRequest> Submitter::NextToSend() {
  std::unique_lock lock(mutex_);
  room_.wait(lock, [this] {
    return broken_ || sent_ < unanswered_.size() || unanswered_.size() < kWindow;
  });
  if (broken_) return std::nullopt;
  if (sent_ == unanswered_.size()) {
    std::optional<Submission> submission;
    if (!exhausted_) submission = next_();
    exhausted_ = !submission.has_value();
    if (exhausted_) return std::nullopt;
    ++pulled_;
    if (submission->request.request_id().empty()) {
      submission->request.set_request_id(Concat(id_prefix_, pulled_));
    }
    unanswered_.push_back(*std::move(submission));
  }
  return unanswered_[sent_++].request;
}

}  // namespace fetchd::cli
