// What is the same in the errors of all stores.
#pragma once

#include <absl/status/status.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/time.h"
#include "objstore/answer.h"

namespace fetchd::objstore {

/// Who is asked for what; for messages.
struct StoreContext {
  std::string store;      ///< Its name in the configuration.
  std::string operation;  ///< As the store calls it: "PutObject", "Put Blob".
  std::string subject;    ///< "bucket/key", or the bucket.
};

/// `store "backup": PutObject of bucket/key`
std::string Describe(const StoreContext& context);

struct StoreFailure {
  /// As ObjectStore says, with Reason OBJECT_STORE {code, http_status, request_id, store}; what
  /// the store says of itself is cut to printable characters and a length.
  absl::Status status;
  std::string code;  ///< The store's own; empty where it says none.
  int http_status = 0;
  bool retryable = false;
  /// The credentials have expired since they were got: others may do.
  bool credentials_expired = false;
  /// The store asks everybody to wait so long.
  std::optional<Duration> cool_down;
  /// S3: where the bucket is, when it is not where it was asked for; empty when that was not the
  /// error or the store does not say.
  std::string region;
};

/// What becomes of one of a store's codes.
struct CodeRule {
  std::string_view code;
  absl::StatusCode status;
  bool retryable = false;
};

/// The one of `rules` for `code`, else what the HTTP status alone says.
CodeRule RuleIn(std::span<const CodeRule> rules, std::string_view code, int http_status);

/// What a store says of an error, unchecked; empty where it says nothing.
struct ErrorWords {
  std::string code;
  std::string message;
  std::string request_id;
  std::string host_id;  ///< S3's second id.
  std::string advice;   ///< Ours: what to do, in words; of checked pieces.
};

/// `context`, the words and the HTTP status as one line; code and status by `rule`.
StoreFailure MakeFailure(const StoreContext& context, const ErrorWords& words, const CodeRule& rule,
                         int http_status);

/// Of a text from outside: one line, no longer than a message should be.
std::string LineSaid(std::string_view text);
/// A token of the protocol, else empty: nothing else becomes a field of a Reason.
std::string TokenSaid(std::string_view text);

/// "our clock is 1 h 2 s behind that of the store: set this machine's clock right (NTP)".
std::string ClockAdvice(std::optional<WallTime> theirs, WallTime ours);

/// How long everybody has to wait: after 503, 429 and `busy` (the store's code for that) what
/// Retry-After says; after `busy` alone a second.
std::optional<Duration> CoolDownAfter(const Answer& answer, bool busy, WallTime now);

}  // namespace fetchd::objstore
