// One Fetch call: a transfer into a StreamReceiver, with its retries inside the call.
#pragma once

#include <functional>
#include <vector>

#include "fetch/job_run.h"

namespace fetchd::fetch {

struct StreamRunDeps {
  TransferDeps transfer;
  asio::any_io_executor executor;  ///< Of the shard.
  Semaphore& transfers;
  EngineCounters& counters;
  telemetry::Logger& log;
  std::function<double()> uniform;  ///< In [0, 1).
};

/// Lives in the frame of Engine::Stream, on the shard of the origin; the receiver is called there.
class StreamRun final : private Target {
 public:
  StreamRun(StreamRunDeps deps, jobs::FetchSpec spec, std::uint64_t offset, Deadline deadline,
            StreamReceiver& receiver);

  /// A caller that is cancelled ends the transfer at once.
  Task<absl::StatusOr<StreamEnd>> Run();
  /// For shutdown: Run() then ends with UNAVAILABLE, reason INTERRUPTED. Thread-safe.
  void Interrupt();

 private:
  // Target
  Task<absl::Status> Restart() override;
  Task<absl::Status> Begin(const http::Response& response, std::uint64_t offset,
                           std::optional<std::uint64_t> total_bytes,
                           const Validator& validator) override;
  Task<absl::Status> Write(std::uint64_t offset, sink::Buffer bytes) override;

  Task<absl::Status> AllAttempts();
  Task<absl::Status> OneAttempt(int number);
  absl::Status EndOf(const absl::Status& status) const;
  absl::Status ChooseUrl();
  void LearnOfUrl(Failure& failure);
  std::optional<std::string> ShareScope() const;
  Task<absl::StatusOr<Permit>> WaitForTurn();
  Task<absl::Status> WaitForOrigin();
  bool AllDelivered() const;
  absl::Status CheckResumable() const;
  absl::Status Verify();
  std::optional<Duration> Decide(int number, const absl::Status& status);
  absl::Status InterruptedError() const;

  StreamRunDeps deps_;
  const jobs::FetchSpec spec_;
  const std::uint64_t first_offset_;
  const Deadline deadline_;
  StreamReceiver& receiver_;
  const RetryConfig retry_;
  Verifier verifier_;
  ProgressMeter progress_;

  AttemptFacts facts_;
  AttemptFrame frame_;
  OriginPacer::Turn* turn_ = nullptr;  ///< Of the attempt that runs: gone when it is.
  jobs::UrlMemory urls_;               ///< `next` is the one in use.
  std::optional<std::size_t> failed_;  ///< The one that the last attempt asked.
  std::optional<Url> url_;             ///< The one in use.
  bool asked_ = false;                 ///< The attempt got as far as asking.
  bool head_given_ = false;
  std::uint64_t position_;  ///< Of the next byte for the receiver.
  Validator validator_;
  Source source_;  ///< Of the head that was given.
  std::optional<std::uint64_t> total_bytes_;
  StreamEnd end_;
  std::atomic<bool> interrupted_{false};
  Supervised attempts_;
};

}  // namespace fetchd::fetch
