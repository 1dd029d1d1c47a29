// Durations for people.
#pragma once

#include <string>

#include "base/time.h"

namespace fetchd {

std::string FormatSeconds(Duration duration);  ///< "1.3 s"

}  // namespace fetchd
