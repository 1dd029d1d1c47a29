#include "base/duration_text.h"

#include <chrono>
#include <cstdio>

namespace fetchd {

std::string FormatSeconds(Duration duration) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", std::chrono::duration<double>(duration).count());
  return text;
}

}  // namespace fetchd
