// May an attempt go on where an earlier one stopped? The rules of RFC 9110 13 and 14, as a table of
// pure decisions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/byte_range.h"
#include "base/status.h"
#include "http/client.h"

namespace fetchd::fetch {

/// By what an origin proves that a body is still the same one. Strong validators only.
struct Validator {
  std::string etag;           ///< With its quotes; empty = none.
  std::string last_modified;  ///< HTTP-date; empty = none. Used when there is no etag.
  bool empty() const { return etag.empty() && last_modified.empty(); }
  /// The If-Range value: etag before last_modified.
  const std::string& if_range() const { return etag.empty() ? last_modified : etag; }
};

/// Weak ETags are left out, and a Last-Modified that is not at least a minute older than Date. RFC
/// 9110 8.8.2.2 asks for one second, of an origin whose two clocks agree; its predecessor (RFC 7232
/// 2.2.2) asked for 60, and so do we: file servers, caches and web servers each have a clock, and a
/// file that was changed twice in the meantime has one date and two contents.
Validator ValidatorOf(const http::Headers& headers);

/// What answered, after redirects.
struct Source {
  std::string place;  ///< Scheme, host, port and path; empty = not known.
  std::string query;  ///< SHA-256 of the query, which may be a credential; empty = none.
};
Source SourceOf(const Url& url);
/// Does `url` continue what came from `source`? A redirector that alternates mirrors leads to files
/// with the same date and size, and an ETag is no more unique than what its server makes it of
/// (date and size, often): so scheme, host, port and path must be the same. The query of a signed
/// URL changes each time, so with a strong ETag it may differ; with Last-Modified alone it may not.
/// True when `source` is not known.
bool Continues(const Url& url, const Source& source, const Validator& validator);

/// What a request asks for: all that is wanted, which is the body or a range of it, or what of that
/// follows `offset`. Offsets and totals are those of what is wanted.
struct Asked {
  std::uint64_t offset = 0;
  Validator validator;
  std::optional<std::uint64_t> total_bytes;  ///< As the earlier attempt learned it.
  Source source;                             ///< Where what is here came from.
  bool other_url = false;                    ///< It came from a mirror: the length must be proven.
  std::optional<ByteRange> range;            ///< Of the body; absent = all of it.
  bool conditional = false;                  ///< The request has conditions: 304 answers it.

  /// What the Range field asks for; nullopt: all of the body, without such a field.
  std::optional<ByteRange> Missing() const;
  /// Nothing is here: all that is wanted is missing.
  void StartOver();
};

/// Of `kept` bytes, as many as leave something to ask for: a Range field cannot ask for nothing,
/// and who asks learns whether what is kept is still right.
std::uint64_t UsableOf(std::uint64_t kept, const std::optional<ByteRange>& range);

enum class Answer {
  kBody,         ///< The body follows, from where it was asked for.
  kFromZero,     ///< The body follows, but from its first byte: what was kept is dropped.
  kAskAgain,     ///< Not usable for what was kept: drop that and ask for all of it.
  kComplete,     ///< What was kept is already all that is wanted.
  kNotModified,  ///< A condition of the request does not hold: nothing follows.
  kFailed,
};

struct Judged {
  Answer answer = Answer::kFailed;
  std::optional<std::uint64_t> total_bytes;  ///< Of what is wanted.
  absl::Status error;                        ///< kFailed.
  bool retryable = false;                    ///< kFailed.
};

/// HTTP errors become the Status that a caller sees: NOT_FOUND for 404 and 410, UNAVAILABLE for 429
/// and 503, else FAILED_PRECONDITION, all with reason HTTP_STATUS and metadata "status". A range
/// that the origin does not serve is FAILED_PRECONDITION, reason RANGE_NOT_SUPPORTED; one that
/// begins behind the end of the body OUT_OF_RANGE, reason RANGE_NOT_SATISFIABLE. Where the response
/// says more of its failure, that counts.
Judged Judge(const http::Response& response, const Asked& asked);

}  // namespace fetchd::fetch
