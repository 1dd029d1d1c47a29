// Where the parts of an object begin.
#pragma once

#include <cstdint>
#include <optional>

namespace fetchd::sink {

inline constexpr int kMaxParts = 10'000;  ///< Of one upload (S3; Azure takes more).

/// Parts are numbered from 1. Those of a body of known length are equal, and as large as it takes
/// for kMaxParts to suffice. Those of an unknown length grow by their first size every 384 parts:
/// 10,000 of them, from 8 MiB, hold more than 1 TiB.
class PartPlan {
 public:
  PartPlan(std::uint64_t first_bytes, bool grows) : first_bytes_(first_bytes), grows_(grows) {}
  static PartPlan For(std::uint64_t first_bytes, std::optional<std::uint64_t> total_bytes);

  std::uint64_t SizeOf(int number) const;
  /// Where it ends; 0 for number 0.
  std::uint64_t EndOf(int number) const;
  /// The part that begins at or before `offset` and ends behind it.
  int PartAt(std::uint64_t offset) const;

  std::uint64_t first_bytes() const { return first_bytes_; }
  bool grows() const { return grows_; }
  friend bool operator==(const PartPlan&, const PartPlan&) = default;

 private:
  std::uint64_t first_bytes_;
  bool grows_;
};

}  // namespace fetchd::sink
