// Which bytes of a file were written before those in front of them.
#pragma once

#include <cstdint>
#include <map>

namespace fetchd::sink {

/// Stretches of bytes, none touching another. Few at a time: one for each piece that is under way.
class WrittenAhead {
 public:
  /// Bytes [first, end) were written.
  void Add(std::uint64_t first, std::uint64_t end);
  /// Where what was written from `offset` on ends without a gap; `offset` itself when it is not
  /// there.
  std::uint64_t EndFrom(std::uint64_t offset) const;
  /// What lies in front of `offset` is nobody's concern any more.
  void DropBefore(std::uint64_t offset);
  void Clear() { spans_.clear(); }
  bool empty() const { return spans_.empty(); }

 private:
  std::map<std::uint64_t, std::uint64_t> spans_;  ///< First byte to end.
};

}  // namespace fetchd::sink
