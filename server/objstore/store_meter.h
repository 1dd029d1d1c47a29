// What is asked of one store of objects, for the metrics.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

#include "base/status.h"
#include "telemetry/duration_histogram.h"

namespace fetchd::objstore {

/// How a request ended.
enum class StoreOutcome {
  kOk,         ///< A success, and what a reader makes something of: 304, 412, 416.
  kRefused,    ///< Another answer, that trying again does not change.
  kThrottled,  ///< The store asked for time.
  kFailed,     ///< Its fault, and it may pass.
  kNoAnswer,
};
inline constexpr std::array kStoreOutcomes = {StoreOutcome::kOk, StoreOutcome::kRefused,
                                              StoreOutcome::kThrottled, StoreOutcome::kFailed,
                                              StoreOutcome::kNoAnswer};
const char* StoreOutcomeName(StoreOutcome outcome);  ///< "no_answer"

/// Of all shards. Thread-safe, without a lock. Each attempt counts.
class StoreMeter {
 public:
  /// `operation` as StoreOperation::name; what is none of ours counts as "other".
  void Note(std::string_view operation, StoreOutcome outcome, Duration took);

  struct Figures {
    std::array<std::uint64_t, kStoreOutcomes.size()> requests{};  ///< By StoreOutcome.
    telemetry::DurationHistogram::Snapshot took;
  };
  /// Of operations that were asked for.
  void Read(const std::function<void(std::string_view operation, const Figures&)>& each) const;

  static constexpr std::array<std::string_view, 18> kOperations = {
      // Amazon's words, then Azure's.
      "PutObject",
      "HeadObject",
      "GetObject",
      "DeleteObject",
      "CreateMultipartUpload",
      "UploadPart",
      "ListParts",
      "CompleteMultipartUpload",
      "AbortMultipartUpload",
      "ListMultipartUploads",
      "Put Blob",
      "Get Blob Properties",
      "Get Blob",
      "Delete Blob",
      "Put Block",
      "Put Block List",
      "Get Block List",
      "other"};

 private:
  struct Counters {
    std::array<std::atomic<std::uint64_t>, kStoreOutcomes.size()> requests{};
    telemetry::DurationHistogram took;
  };
  std::array<Counters, kOperations.size()> counters_;
};

}  // namespace fetchd::objstore
