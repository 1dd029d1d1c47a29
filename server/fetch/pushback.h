// What answers say of how their origins want to be asked.
#pragma once

#include <optional>

#include "fetch/origin_pacer.h"
#include "fetch/transfer.h"
#include "http/message.h"

namespace fetchd::fetch {

/// How long the origin wants to be left alone, always more than zero; nullopt when it does not say.
/// * Retry-After of 429 and 503 (RFC 9110 10.2.3, RFC 6585 4);
/// * nothing left of a quota, in the fields of draft-ietf-httpapi-ratelimit-headers
///   (RateLimit: "policy";r=0;t=30), of its older drafts (RateLimit-Remaining, RateLimit-Reset) or
///   of X-RateLimit-Remaining and X-RateLimit-Reset, whose reset may be a Unix time: of 429 and
///   503, and of every answer when `quota_is_ours`: who logs in may have used up a quota of its
///   own.
std::optional<Duration> WantedPause(int status, const http::Headers& headers, WallTime now,
                                    bool quota_is_ours);

/// Holds that Fetch calls and redirects respect: all but the limit on jobs at once.
bool HoldsStreams(Hold hold);

/// Ends the turn of an attempt, which came to `status`. Where redirects led to another origin, the
/// first has answered, and what followed is that one's. A failure of a caller who has timeouts, a
/// proxy or a trust profile of its own, or has run out of time, is no origin's.
void EndTurn(OriginPacer& pacer, OriginPacer::Turn& turn, const AttemptFacts& facts,
             const absl::Status& status, bool callers_own_way);
/// Whether that is so, but for the time.
bool GoesItsOwnWay(const jobs::FetchSpec& spec);

/// UNAVAILABLE, reason ORIGIN_ON_HOLD {origin, hold} with how long it may last, where that is
/// known: nothing begins with this origin now.
absl::Status OriginHeldError(const OriginPacer::OriginState& state);

}  // namespace fetchd::fetch
