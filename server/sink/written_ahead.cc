#include "sink/written_ahead.h"

#include <algorithm>
#include <iterator>

namespace fetchd::sink {

void WrittenAhead::Add(std::uint64_t first, std::uint64_t end) {
  if (first >= end) return;
  auto next = spans_.upper_bound(first);
  if (next != spans_.begin()) {
    const auto before = std::prev(next);
    if (before->second >= first) {
      first = before->first;
      end = std::max(end, before->second);
      next = spans_.erase(before);
    }
  }
  while (next != spans_.end() && next->first <= end) {
    end = std::max(end, next->second);
    next = spans_.erase(next);
  }
  spans_.emplace(first, end);
}

std::uint64_t WrittenAhead::EndFrom(std::uint64_t offset) const {
  const auto next = spans_.upper_bound(offset);
  if (next == spans_.begin()) return offset;
  return std::max(offset, std::prev(next)->second);
}

void WrittenAhead::DropBefore(std::uint64_t offset) {
  while (!spans_.empty() && spans_.begin()->first < offset) {
    const std::uint64_t end = spans_.begin()->second;
    spans_.erase(spans_.begin());
    if (end > offset) spans_.emplace(offset, end);
  }
}

}  // namespace fetchd::sink
