// A fetch job as the house knows it. Pure values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/byte_range.h"
#include "base/credentials.h"
#include "base/digest.h"
#include "base/ids.h"
#include "base/retry_policy.h"
#include "base/secret.h"
#include "base/status.h"
#include "base/time.h"
#include "base/trace_context.h"

namespace fetchd::jobs {

struct RequestHeader {
  std::string name;
  Secret value;  ///< Any header may carry a credential: none is ever printed.
  /// Whose value this is instead: a name of the configuration (`secrets.named`); empty = none.
  std::string secret = {};
  friend bool operator==(const RequestHeader&, const RequestHeader&) = default;
};

using fetchd::BasicCredentials;
using fetchd::BearerCredentials;
using fetchd::Credentials;
using fetchd::DigestCredentials;

/// Overrides of the server's defaults; absent = default.
struct TimeoutOverrides {
  std::optional<Duration> dns, connect, proxy, tls, first_byte, read_idle, total;
  friend bool operator==(const TimeoutOverrides&, const TimeoutOverrides&) = default;
};
struct RetryOverrides {
  std::optional<int> max_attempts;
  std::optional<Duration> base_delay, max_delay;
  friend bool operator==(const RetryOverrides&, const RetryOverrides&) = default;
};

enum class Method { kGet, kHead };

/// May a read of the origin be shared with others who want the same at the same time?
enum class Sharing {
  kDefault,  ///< Fetch, and jobs that expect a digest, do.
  kNever,
  kAlways,
};

/// What to fetch and what it must be. Validated at the edge (fetch/validate.h) before it gets here.
struct FetchSpec {
  std::vector<std::string> urls;  ///< First = primary, the others are its mirrors: see UrlMemory.
  Method method = Method::kGet;
  std::vector<RequestHeader> headers;
  Credentials credentials;
  /// What is the password or the token of `credentials`, which have none: a name of the
  /// configuration (`secrets.named`); empty = none.
  std::string credentials_secret;
  std::vector<Digest> digests;  ///< All must match; at most one an algorithm.
  std::optional<std::uint64_t> expected_size;
  std::optional<std::uint64_t> max_bytes;
  std::optional<std::uint64_t> max_bytes_per_sec;
  TimeoutOverrides timeouts;
  RetryOverrides retry;
  std::optional<int> max_redirects;
  std::string tls_profile;
  std::string proxy;  ///< A name of the configuration, or "direct"; empty = as it says.
  Sharing share = Sharing::kDefault;
  bool decode = false;  ///< Content codings are undone; else bytes arrive as they were sent.
  std::vector<std::string> if_none_match;  ///< Entity tags, with their quotes.
  std::optional<WallTime> if_modified_since;
  std::optional<ByteRange> range;  ///< The part of the body that is wanted; absent = all.
  /// Of the call that asked. Says nothing of what is fetched: it is no part of CanonicalContent.
  TraceContext trace;
  friend bool operator==(const FetchSpec&, const FetchSpec&) = default;
};

/// Whose a job is that names no tenant.
inline constexpr char kDefaultTenant[] = "default";
/// 1 to 63 of a-z, 0-9, '.', '_' and '-', a letter or a digit first.
bool IsTenantName(std::string_view name);

/// "https://host:port" of spec.urls[index]; empty when there is none or it cannot be read.
std::string OriginOfUrl(const FetchSpec& spec, std::size_t index);

/// What a job has learned of one of its urls.
struct UrlNote {
  absl::Status error;    ///< Of the last attempt there that failed; OK = none did.
  bool refused = false;  ///< For good, of this job: 404, 403, another body than expected.
  friend bool operator==(const UrlNote&, const UrlNote&) = default;
};
/// Which of its urls a job asks next, and what it knows of them: fetch/mirrors.h chooses.
struct UrlMemory {
  std::size_t next = 0;        ///< In spec.urls.
  std::vector<UrlNote> notes;  ///< By url; of those behind its end nothing is known.
  friend bool operator==(const UrlMemory&, const UrlMemory&) = default;
};

enum class Overwrite { kAlways, kNever, kIfDifferent };

enum class State {
  kQueued,
  kRunning,
  kWaiting,
  kInterrupted,
  kSucceeded,
  kFailed,
  kCancelled,
  kPaused,
};
const char* StateName(State state);  ///< "QUEUED"
std::optional<State> ParseState(std::string_view name);
bool IsTerminal(State state);
/// It waits to be run: QUEUED, WAITING, INTERRUPTED.
bool IsClaimable(State state);

/// From where a later attempt may go on. `bytes` of the body are durable in the sink.
struct Checkpoint {
  std::uint64_t bytes = 0;
  std::string url;            ///< Which of the urls they came from, without its signatures.
  std::string etag;           ///< Strong ETag; empty = none.
  std::string last_modified;  ///< HTTP-date, only when taken for strong; empty = none.
  std::optional<std::uint64_t> total_bytes;
  std::string source;        ///< What answered, after redirects: scheme, host, port and path.
  std::string source_query;  ///< SHA-256 of its query, which may be a credential; empty = none.
  bool mixed = false;        ///< They came from several of the urls.
  std::string digest_state;  ///< Of the `bytes` (Digester::Save); empty = to be computed anew.
  std::int64_t fence =
      0;  ///< Of the claim under which it was taken; 0: no other process runs jobs.
  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

/// One hop of one attempt: what it waited for and what it met.
struct HopRecord {
  std::string url;    ///< Redacted.
  std::string proxy;  ///< The one on the way; empty = direct.
  Duration pool_wait{}, dns{}, connect{}, proxy_negotiation{}, tls{}, first_byte{};
  bool dns_cached = false, reused = false, redialled = false, tls_resumed = false;
  bool joined = false;  ///< It shared the request that another made.
  std::string tls_description;
  struct Address {
    std::string address, outcome;
    Duration took{};
  };
  std::vector<Address> addresses;
  int http_status = 0;
};

enum class AttemptOutcome { kSucceeded, kFailed, kPutOff, kInterrupted, kCancelled };
const char* AttemptOutcomeName(AttemptOutcome outcome);

/// How a body was read over several connections. None of it: over one.
struct SegmentsRecord {
  int most_connections = 0;    ///< At once; 0 = one from the beginning to the end.
  std::uint64_t pieces = 0;    ///< Requests for a part of the body, answered with that part.
  int added = 0, dropped = 0;  ///< Connections; dropped for bringing nothing.
  /// A sentence for each change, with the rates that were measured: the first, and the latest.
  std::vector<std::string> notes;
  friend bool operator==(const SegmentsRecord&, const SegmentsRecord&) = default;
};
inline constexpr std::size_t kFirstSegmentNotes = 4;
inline constexpr std::size_t kMaxSegmentNotes = 16;

/// Kept for every attempt from the start; ended attempts only.
struct AttemptRecord {
  int number = 0;  ///< From 1. An interrupted attempt keeps its number for the one that goes on.
  std::string span_id;  ///< Its own in the job's trace, 16 hexadecimal digits; empty: not known.
  WallTime started_at{};
  Duration took{};
  Duration transfer_permit_wait{}, buffer_wait{}, rate_wait{};
  AttemptOutcome outcome = AttemptOutcome::kFailed;
  std::uint64_t resumed_from_bytes = 0;
  std::uint64_t received_bytes = 0;  ///< By this attempt alone.
  bool restarted = false;       ///< The origin did not go on where we asked: the body began anew.
  std::vector<HopRecord> hops;  ///< Without those of the pieces.
  SegmentsRecord segments;
  absl::Status status;       ///< OK when it succeeded.
  std::string failed_phase;  ///< PhaseName, empty when it succeeded.
  std::string decision;      ///< One sentence: what was decided next, and why.
  std::optional<Duration> retry_delay;
};

/// So many records are kept of a job: its first, and its latest.
inline constexpr int kFirstAttemptRecords = 10;
inline constexpr int kMaxAttemptRecords = 100;

/// What became of one of a job's several destinations.
struct Delivery {
  std::string destination;  ///< Absolute where the body is there, else as the job has it.
  absl::Status error;       ///< OK: the body is there.
  bool unchanged = false;   ///< It was there already (kIfDifferent).
  std::string digest;       ///< SHA-256 of what is there, as SRI; empty when nothing is.
};

struct Result {
  std::string final_url;  ///< Without signatures; without a query when a redirect led there.
  int http_status = 0;
  std::vector<std::pair<std::string, std::string>>
      headers;  ///< Response headers without credentials (fetch/shown.h).
  std::uint64_t size_bytes = 0;
  std::vector<Digest> digests;  ///< sha256 always, and each algorithm that was expected.
  std::string etag;
  std::string destination;    ///< Resolved, absolute: "file:///srv/files/a/b".
  bool not_modified = false;  ///< A condition of the job did not hold: nothing was written.
  bool unchanged = false;     ///< The destination held these bytes already (kIfDifferent).
  /// Of each of several destinations, in their order; empty when the job has one.
  std::vector<Delivery> deliveries;
};

/// A further place for the bytes of a job.
struct MoreDestination {
  std::string resolved;   ///< As Job::destination.
  std::string asked_for;  ///< As Job::destination_template.
  friend bool operator==(const MoreDestination&, const MoreDestination&) = default;
};

/// What is kept with a body where a destination is an object in a store. Empty = not said.
struct ObjectSettings {
  std::string content_type, content_disposition, cache_control, storage_class;
  std::map<std::string, std::string> metadata, tags;
  bool empty() const { return *this == ObjectSettings(); }
  friend bool operator==(const ObjectSettings&, const ObjectSettings&) = default;
};

struct Job {
  JobId id;
  FetchSpec spec;
  std::string destination;           ///< As resolved at creation: placeholders filled in.
  std::string destination_template;  ///< As asked for: placeholders unfilled. Empty = same as
                                     ///< `destination`.
  /// The same bytes go there too; each place gets them or fails by itself.
  std::vector<MoreDestination> more_destinations;
  ObjectSettings object;
  Overwrite overwrite = Overwrite::kAlways;
  int priority = 0;                     ///< -100..100; higher first.
  std::string tenant = kDefaultTenant;  ///< Whose it is: tenants share what there is fairly.
  std::map<std::string, std::string> labels;
  std::string request_id;        ///< Empty = none.
  BatchId batch;                 ///< Empty = none.
  std::int64_t batch_entry = 0;  ///< Which entry of its batch's manifest; from 1.
  WallTime created_at{};
  WallTime updated_at{};
  WallTime deadline_at{};  ///< created_at + 24 h unless asked otherwise; a retry renews it.
  WallTime ready_at{};     ///< Not before this; set by creation and by retries.
  std::optional<WallTime> not_before_at;  ///< As asked for at creation.
  std::optional<WallTime> started_at, finished_at;
  /// Of the last RetryRequested, moved on by pauses: deadline_at counts from it instead of
  /// created_at.
  std::optional<WallTime> retried_at;

  State state = State::kQueued;
  int attempt = 0;         ///< Attempts begun and not interrupted.
  std::int64_t fence = 0;  ///< Grows with each claim; a worker with an older one is refused.
  UrlMemory urls;
  Checkpoint checkpoint;
  absl::Status error;  ///< Of the last attempt while WAITING, of the job when FAILED or CANCELLED.
  /// When it SUCCEEDED, and since some of its several destinations got the body.
  std::optional<Result> result;
};

/// Of the URL that its next attempt asks, or its current one.
std::string OriginOfNext(const Job& job);

}  // namespace fetchd::jobs
