// What a change works on.
#pragma once

#include <cstdint>
#include <string>

#include "base/time.h"
#include "store/census.h"
#include "store/job_table.h"

namespace fetchd::store {

/// Reason of an UNAVAILABLE: the change may have been made, and nobody could be asked.
inline constexpr char kCommitUnknown[] = "COMMIT_UNKNOWN";

/// What changes did to the figures that are kept in memory. Published only once they are durable.
class Effects {
 public:
  explicit Effects(Census& census) : census_(&census) {}

  void Count(const std::string& tenant, MaybeState from, MaybeState to) {
    census_->Count({tenant, from, to});
  }
  /// So many bytes more are stored for it; fewer, below 0.
  void CountStored(const std::string& tenant, std::int64_t bytes) {
    census_->Count({.tenant = tenant, .stored_bytes = bytes});
  }
  void Event(std::int64_t sequence) { last_sequence_ = sequence; }
  void Changed() { ++changes_; }
  void Batch() { batch_changed_ = true; }  ///< A figure of a batch, or its state.
  void Took(Duration took) { took_ = took; }

  Census& census() const { return *census_; }
  std::int64_t last_sequence() const { return last_sequence_; }  ///< 0 = no event.
  std::uint64_t changes() const { return changes_; }
  bool batch_changed() const { return batch_changed_; }
  Duration took() const { return took_; }  ///< Of the whole transaction; 0 until it is committed.

 private:
  Census* census_;
  std::int64_t last_sequence_ = 0;
  std::uint64_t changes_ = 0;
  bool batch_changed_ = false;
  Duration took_{};
};

/// Rows of the open transaction, and its effects.
struct Transaction {
  JobTable jobs;
  Effects effects;
};

}  // namespace fetchd::store
