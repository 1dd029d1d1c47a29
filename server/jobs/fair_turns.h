// Whose turn it is among tenants that want more than there is. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>

namespace fetchd::jobs {

/// Weighted fair queueing by start tags (Goyal, Vin and Cheng, "Start-time Fair Queueing", 1996),
/// where each turn is worth the same. Whoever has had the least for its weight is next. A tenant
/// that wanted nothing for a while saves nothing up: it begins where the others are. One thread at
/// a time.
class FairTurns {
 public:
  /// Of those that want a turn the one with the least is next. The unit is a turn at weight 1.
  double TagOf(const std::string& tenant) const;
  /// `tenant` takes a turn. `weight` is above 0.
  void Take(const std::string& tenant, double weight);
  /// Forgets those who are no further than the others. Between two rounds.
  void Tidy();
  std::size_t size() const { return next_.size(); }

 private:
  double now_ = 0;                                // The tag of the last turn.
  std::unordered_map<std::string, double> next_;  // Of those who are ahead of it.
};

}  // namespace fetchd::jobs
