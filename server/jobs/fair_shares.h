// How processes divide a limit that they keep together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fetchd::jobs {

/// Max-min fair: who wants less than an even share gets what it wants, the others divide the rest
/// evenly. What an even division leaves over goes to one each, from number `turn` on: where there
/// is less than one for each, everybody has its turn. The sum is never above `limit`.
std::vector<std::int64_t> FairShares(std::int64_t limit, const std::vector<std::int64_t>& wanted,
                                     std::uint64_t turn);

/// What one process has of a limit.
struct Standing {
  std::int64_t slots = 0;   ///< It may be using so many.
  std::int64_t wanted = 0;  ///< It would use so many.
};

struct Division {
  std::int64_t take = 0;  ///< What it should have now, if that is free; never less than its slots.
  std::int64_t keep = 0;  ///< What it should come down to: below its slots when others lack theirs.
  bool contended = false;    ///< Somebody has, or will have, less than it wants.
  bool others_lack = false;  ///< Others have less than their share.
  friend bool operator==(const Division&, const Division&) = default;
};
/// What is right for number `me` of all that have some of the limit, or want some.
Division Divide(std::int64_t limit, const std::vector<Standing>& all, std::size_t me,
                std::uint64_t turn);

}  // namespace fetchd::jobs
