#include "jobs/fair_shares.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace fetchd::jobs {

std::vector<std::int64_t> FairShares(std::int64_t limit, const std::vector<std::int64_t>& wanted,
                                     std::uint64_t turn) {
  std::vector<std::size_t> modest_first(wanted.size());
  std::iota(modest_first.begin(), modest_first.end(), std::size_t{0});
  std::ranges::sort(modest_first, {}, [&](std::size_t i) { return std::pair(wanted[i], i); });
  std::vector<std::int64_t> shares(wanted.size());
  std::int64_t left = std::max<std::int64_t>(limit, 0);
  auto next = modest_first.begin();
  const auto others = [&] { return static_cast<std::int64_t>(modest_first.end() - next); };
  for (; next != modest_first.end() && wanted[*next] <= left / others(); ++next) {
    shares[*next] = std::max<std::int64_t>(wanted[*next], 0);
    left -= shares[*next];
  }
  if (next == modest_first.end()) return shares;
  // Those who want more than an even share, in their own order.
  std::vector<std::size_t> greedy(next, modest_first.end());
  std::ranges::sort(greedy);
  const auto count = static_cast<std::int64_t>(greedy.size());
  for (const std::size_t i : greedy) shares[i] = left / count;
  for (std::int64_t i = 0; i < left % count; ++i) {
    shares[greedy[(turn + static_cast<std::uint64_t>(i)) % greedy.size()]] += 1;
  }
  return shares;
}

Division Divide(std::int64_t limit, const std::vector<Standing>& all, std::size_t me,
                std::uint64_t turn) {
  std::vector<std::int64_t> wanted;
  std::int64_t free = limit, wanted_in_all = 0;
  for (const Standing& one : all) {
    wanted.push_back(one.wanted);
    wanted_in_all += one.wanted;
    free -= one.slots;
  }
  const std::vector<std::int64_t> fair = FairShares(limit, wanted, turn);
  std::int64_t lack = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i != me) lack += std::max<std::int64_t>(fair[i] - all[i].slots, 0);
  }
  const std::int64_t slots = all[me].slots;
  Division division;
  division.take = std::max(slots, std::min(fair[me], slots + std::max<std::int64_t>(free, 0)));
  division.keep = division.take;
  // What the others lack and is not free; or what all have beyond the limit.
  const std::int64_t missing = lack - free;
  if (missing > 0 && slots > fair[me]) division.keep = std::max(fair[me], slots - missing);
  division.contended = wanted_in_all > limit || missing > 0 || division.take < fair[me];
  division.others_lack = lack > 0;
  return division;
}

}  // namespace fetchd::jobs
