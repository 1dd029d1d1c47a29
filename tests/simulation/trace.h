// What happened in a run, and what must not have.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "base/time.h"

namespace fetchd::simulation {

/// Lines are kept only on demand: a seed that fails is run again with them.
class Trace {
 public:
  Trace(const Clock& clock, bool kept) : clock_(clock), began_(clock.Now()), kept_(kept) {}

  template <typename... Parts>
  void Note(const Parts&... parts) {
    if (kept_) lines_.push_back(Concat(Milliseconds(), " ms  ", parts...));
  }
  /// An invariant does not hold. The first one ends the run.
  template <typename... Parts>
  void Violated(const Parts&... parts) {
    violations_.push_back(Concat("after ", Milliseconds(), " ms: ", parts...));
    Note("VIOLATED: ", parts...);
  }
  bool holds() const { return violations_.empty(); }
  const std::vector<std::string>& lines() const { return lines_; }
  const std::vector<std::string>& violations() const { return violations_; }

 private:
  long long Milliseconds() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(clock_.Now() - began_).count();
  }

  const Clock& clock_;
  const SteadyTime began_;
  const bool kept_;
  std::vector<std::string> lines_;
  std::vector<std::string> violations_;
};

}  // namespace fetchd::simulation
