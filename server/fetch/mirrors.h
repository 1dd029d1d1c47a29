// Which of its urls a job or a Fetch call asks next: the primary, or one of its mirrors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/url.h"
#include "fetch/origin_pacer.h"
#include "jobs/job.h"

namespace fetchd::fetch {

/// What is known of one of the urls.
struct UrlFacts {
  bool refused = false;      ///< It said for good that it does not have what is wanted.
  bool on_hold = false;      ///< Nothing begins with its origin now (IsOnHold).
  bool failing = false;      ///< The last attempt failed there, or its origin twice in a row.
  double bytes_per_sec = 0;  ///< Of its large bodies lately; 0 = not known.
};

/// So many times as fast must a later url be to be asked before an earlier one. Both speeds are
/// known then: what was never tried is not slow.
inline constexpr double kClearlyFaster = 4;
/// Of a body that is known to be smaller, the speed does not matter.
inline constexpr std::uint64_t kLargeBodyBytes = std::uint64_t{8} << 20;

/// The url to ask next. Refused ones come last, before them those on hold, before these those that
/// fail; among equals it is the first in the order given, beginning with number `first` and round,
/// unless a later one is clearly faster. `urls` is not empty.
std::size_t ChooseUrl(std::span<const UrlFacts> urls, std::size_t first,
                      std::optional<std::uint64_t> body_bytes);

/// Of each of the urls. `failed`: the one that the last attempt asked.
std::vector<UrlFacts> FactsOf(const jobs::FetchSpec& spec, const jobs::UrlMemory& memory,
                              OriginPacer& pacer, const UrlOptions& options,
                              std::optional<std::size_t> failed);

/// For a job that waits for an origin on hold: another url whose origin is not. nullopt when there
/// is none, or when it would have to begin anew and the origin just wants a pause.
std::optional<std::size_t> UrlOffHold(const jobs::Job& job, OriginPacer& pacer,
                                      const UrlOptions& options);

void NoteFailure(jobs::UrlMemory& memory, std::size_t index, const absl::Status& error,
                 bool refused);
/// Whether one of the urls has not refused.
bool AnyLeft(const jobs::FetchSpec& spec, const jobs::UrlMemory& memory);
/// How it ended when nothing is tried again, the last attempt having asked url `last`: with what
/// may pass, if a url has failed so, else with what the primary said. Where several failed, the
/// message names the last error of each.
absl::Status FinalError(const jobs::FetchSpec& spec, const jobs::UrlMemory& memory,
                        std::size_t last);

/// By what an attempt may go on with the bytes that an earlier one kept.
enum class Continuation {
  kNone,
  kSameUrl,   ///< They are of this url: its validator proves that nothing changed.
  kByEtag,    ///< Of another: its strong ETag and its length must be the same here; not for a part.
  kByDigest,  ///< Of another: the length must be the same, and the expected digest is the proof.
};
Continuation ContinuationOf(const jobs::Checkpoint& kept, const std::string& url,
                            const jobs::FetchSpec& spec);

}  // namespace fetchd::fetch
