// HTTP's times: HTTP-date and Retry-After.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace fetchd {

/// RFC 9110 5.6.7: IMF-fixdate, and the obsolete RFC 850 and asctime forms. nullopt for anything
/// else. A date outside 1970 to 2262 reads as the nearest inside, so that two can be subtracted.
std::optional<WallTime> ParseHttpDate(std::string_view text);

/// "Sun, 06 Nov 1994 08:49:37 GMT"; fractions of a second are cut off.
std::string FormatHttpDate(WallTime at);

/// RFC 9110 10.2.3: seconds or an HTTP-date; a date in the past is zero. nullopt when it is
/// neither.
std::optional<Duration> ParseRetryAfter(std::string_view text, WallTime now);

}  // namespace fetchd
