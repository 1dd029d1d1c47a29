// HTTP's times: HTTP-date and Retry-After.
#pragma once

#include <optional>
#include <string_view>

#include "base/time.h"

namespace fetchd::fetch {

/// RFC 9110 5.6.7: IMF-fixdate, and the obsolete RFC 850 and asctime forms. nullopt for anything
/// else. A date outside 1970 to 2262 reads as the nearest inside, so that two can be subtracted.
std::optional<WallTime> ParseHttpDate(std::string_view text);

/// RFC 9110 10.2.3: seconds or an HTTP-date; a date in the past is zero. nullopt when it is
/// neither.
std::optional<Duration> ParseRetryAfter(std::string_view text, WallTime now);

}  // namespace fetchd::fetch
