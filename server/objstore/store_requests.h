// Requests to one store, whatever its protocol: sent, and sent again where that helps.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/retry_policy.h"
#include "objstore/answer.h"
#include "objstore/cooldown.h"
#include "objstore/store_error.h"
#include "objstore/store_meter.h"

namespace fetchd::objstore {

/// One request, as the store names it. What is lent in `body` outlives it.
struct StoreOperation {
  std::string name;  ///< "PutObject", "Put Blob"
  std::string method;
  std::string bucket;
  std::string key;    ///< Empty: the bucket itself.
  std::string query;  ///< Encoded, without '?'.
  std::vector<http::Header> headers;
  http::BorrowedBytes body;
  /// S3: hexadecimal. Empty: not hashed, and not signed.
  std::string body_sha256;
  bool slow = false;      ///< The answer takes StoreTiming::complete_timeout.
  bool streamed = false;  ///< The body of a success is the caller's to read.
  /// Where the content coding of such a body is to be undone.
  std::optional<http::DecodeLimits> decode = std::nullopt;
  egress::SubjectPtr subject = nullptr;  ///< In whose name; null: the operator's.
  std::size_t most_answer_bytes = kMostAnswerBytes;
};

struct StoreReply {
  absl::Status status;
  Answer answer;                           ///< Of a success that is not streamed.
  std::optional<http::Response> response;  ///< Of one that is.
  StoreFailure failure;                    ///< Where the store answered with one.
  /// An attempt before the last one may have been carried out.
  bool repeated = false;
};

struct StoreTiming {
  RetryConfig retry;
  /// A place among the connections is waited for too: nobody waits for a store for ever.
  http::Timeouts timeouts{.pool_wait = std::chrono::minutes(2)};
  /// For the answer to what puts an object together of its parts. `timeouts` counts where it is
  /// longer.
  Duration complete_timeout = std::chrono::minutes(10);
};

/// What a protocol does for one operation, with all of its attempts.
class RequestAuthor {
 public:
  virtual ~RequestAuthor() = default;
  /// For one attempt: addressed and signed. An error ends them all.
  virtual Task<absl::StatusOr<http::Request>> Write() = 0;
  /// Whether `answer` is no success.
  virtual bool IsFailure(const Answer& answer) const = 0;
  virtual StoreFailure Judge(const Answer& answer, WallTime now) const = 0;
  /// Whether the next attempt will be another because of `failure`: then it is made at once, and
  /// not counted. True so many times only.
  virtual bool Learn(const StoreFailure& failure) = 0;
};

/// Whether an HTTP status is a success.
bool IsSuccess(int http_status);

/// One shard's. Who reads a body slowly holds a connection for long: that is not one which writing
/// waits for.
struct StoreClients {
  StoreClients(http::Client& both) : requests(both), bodies(both) {}
  StoreClients(http::Client& for_requests, http::Client& for_bodies,
               StoreMeter* of_requests = nullptr)
      : requests(for_requests), bodies(for_bodies), meter(of_requests) {}
  http::Client& requests;
  http::Client& bodies;         ///< For operations that are streamed.
  StoreMeter* meter = nullptr;  ///< Of the store, for all shards; null: nobody counts.
};

/// Lives on one shard; what it refers to outlives it and its calls.
class StoreRequests {
 public:
  StoreRequests(std::string store, const StoreTiming& timing, StoreClients clients,
                Cooldown& cooldown, Clock& clock, std::function<double()> uniform)
      : store_(std::move(store)),
        timing_(timing),
        clients_(clients),
        cooldown_(cooldown),
        clock_(clock),
        uniform_(std::move(uniform)) {}

  /// Tries again what may pass, with full jitter, and when nobody has to wait. Both outlive it.
  Task<StoreReply> Send(const StoreOperation& operation, RequestAuthor& author);
  /// Once, but for what the author learns: see ObjectStore::Fetch. A failure that cools the store
  /// has a Retry-After.
  Task<absl::StatusOr<http::Response>> Fetch(const StoreOperation& operation, RequestAuthor& author,
                                             http::Call call);

  StoreContext ContextOf(const StoreOperation& operation) const;
  WallTime WallNow() const { return clock_.WallNow(); }

 private:
  http::Response Refusal(http::Response response, StoreFailure failure);
  Task<StoreReply> Try(const StoreOperation& operation, RequestAuthor& author);
  /// UNAVAILABLE: that would be longer than max_retry_after, for it is prolonged again and again.
  Task<absl::Status> WaitUntilCool();
  void Count(const StoreOperation& operation, StoreOutcome outcome, SteadyTime from) const;
  http::Call CallFor(const StoreOperation& operation) const;
  StoreReply Failed(StoreFailure failure);
  StoreReply Unanswered(const StoreOperation& operation, const absl::Status& status) const;
  std::chrono::milliseconds MillisecondsUntil(SteadyTime at) const;

  const std::string store_;
  const StoreTiming& timing_;
  const StoreClients clients_;
  Cooldown& cooldown_;
  Clock& clock_;
  const std::function<double()> uniform_;
};

}  // namespace fetchd::objstore
