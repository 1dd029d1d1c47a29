// Sends many jobs through CreateJobs.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "cli/connection.h"

namespace fetchd::cli {

struct Submission {
  v1::CreateJobRequest request;
  std::string place;  ///< Of the job, in errors: "list.txt:3", or the URL.
};

/// Pulls submissions from `next` until it is empty and sends them, at most kWindow of them
/// unanswered. When the service goes away in the middle, what it has not answered is sent again;
/// each request gets an id if it has none, so that this creates no second job. `on_answer` is
/// called by the thread in Run(), in the order of submission; `next` by another.
class Submitter {
 public:
  using Next = std::function<std::optional<Submission>()>;
  using OnAnswer = std::function<void(const Submission&, const v1::CreateJobsResponse&)>;
  static constexpr std::size_t kWindow = 1'000;

  Submitter(Session& session, Next next, OnAnswer on_answer);
  /// UNAVAILABLE when the service is out of reach from the start, or for two minutes later;
  /// CANCELLED after the interrupt. Called once.
  grpc::Status Run();

 private:
  using Stream = grpc::ClientReaderWriterInterface<v1::CreateJobRequest, v1::CreateJobsResponse>;
  grpc::Status RunStream();
  void Write(Stream& stream);
  /// False when the service takes no more: then it is no answer.
  bool TakeAnswer(const v1::CreateJobsResponse& answer);
  std::optional<v1::CreateJobRequest> NextToSend();

  Session& session_;
  Next next_;
  OnAnswer on_answer_;
  std::string id_prefix_;
  std::chrono::steady_clock::time_point last_answer_;
  bool answered_any_ = false;

  std::mutex mutex_;  // Guards the rest.
  std::condition_variable room_;
  std::deque<Submission> unanswered_;
  std::size_t sent_ = 0;  ///< Of `unanswered_`, on this stream.
  std::size_t pulled_ = 0;
  bool exhausted_ = false;  ///< `next_` has no more.
  bool broken_ = false;     ///< This stream takes no more.
};

}  // namespace fetchd::cli
