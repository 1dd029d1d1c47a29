// Asks the server again and again, on a thread of its own.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cli/connection.h"
#include "cli/top_model.h"

namespace fetchd::cli {

/// One sample: three calls, or the error of the first that fails.
grpc::Status TakeSample(Session& session, TopSample& sample);

/// Owner: the command. Ends with the session's interrupt, with Finish(), or when it is destroyed.
class TopFeed {
 public:
  TopFeed(Session& session, std::chrono::milliseconds interval);
  ~TopFeed();
  TopFeed(const TopFeed&) = delete;
  TopFeed& operator=(const TopFeed&) = delete;

  /// Is done after what was asked before; its outcome is in News::results.
  void Do(TopAction action);

  /// What came of an action.
  struct Result {
    std::string text;
    grpc::Status status;
  };
  /// What came since the last call, for the model.
  struct News {
    std::optional<TopSample> sample;
    std::optional<std::string> error;
    std::vector<Result> results;
  };
  News Take();
  /// An error that asking again does not mend: no such role, no such method.
  std::optional<grpc::Status> final_error();

  /// Asks no more, does what was asked for by Do() and is not done yet, and returns what failed of
  /// it, with what nobody has taken. Whatever is not done after `limit` is given up (the session's
  /// interrupt); nothing is done once that was triggered.
  std::vector<Result> Finish(std::chrono::milliseconds limit);

 private:
  void Run();
  void Ask();
  Result Perform(const TopAction& action);
  /// False when it is time to end.
  bool WaitForNext();

  Session& session_;
  const std::chrono::milliseconds interval_;
  Interrupt looks_;  ///< Of samples alone: actions are not cancelled with them.
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<TopAction> actions_;
  News news_;
  std::optional<grpc::Status> final_error_;
  bool stopping_ = false;
  bool ended_ = false;
  std::jthread thread_;  ///< Last: it uses all of the above.
};

}  // namespace fetchd::cli
