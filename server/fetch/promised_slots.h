// What jobs that are being claimed may be about to use.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "fetch/allotments.h"

namespace fetchd::fetch {

/// Between the answer how many jobs may begin and their beginning lies a transaction of the store.
/// What was said meanwhile counts as used: it does not go back. Thread-safe.
class PromisedSlots final : public AllotmentUser {
 public:
  explicit PromisedSlots(Allotments& allotments) : allotments_(allotments) {}

  /// True before jobs are claimed, false when all that were have begun.
  void NoteClaiming(bool now);
  /// See Allotments::Of.
  std::size_t Of(const std::string& key, std::size_t limit);

  void AddUses(std::vector<SharedUse>& uses) override;
  void Reconsider(const std::string&) override {}  // Who claims asks again.

 private:
  Allotments& allotments_;
  std::mutex mutex_;  ///< Guards all below.
  bool claiming_ = false;
  std::map<std::string, SharedUse> promised_;
};

}  // namespace fetchd::fetch
