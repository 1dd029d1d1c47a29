// What the batch commands print.
#pragma once

#include <chrono>
#include <string>

#include "cli/console.h"
#include "cli/print.h"
#include "fetchd/v1/batch_service.pb.h"

namespace fetchd::cli {

/// Prints batches as they come: NAME STATE FOUND SUCCEEDED FAILED SKIPPED LIVE AGE TITLE; wide: and
/// CANCELLED, BYTES.
class BatchPrinter {
 public:
  BatchPrinter(Console& console, OutputFormat format, std::chrono::system_clock::time_point now);
  void Print(const v1::Batch& batch);

 private:
  std::vector<std::string> Cells(const v1::Batch& batch) const;
  Console& console_;
  OutputFormat format_;
  std::chrono::system_clock::time_point now_;
  Table table_;
};

/// Everything about one batch, errors included.
std::string DescribeBatch(const v1::Batch& batch);

bool HasEnded(v1::Batch::State state);
/// "1200 of 2000 ended, 3 failed, 40 running, 1.2 GiB of 2.0 GiB"
std::string SummaryOf(const v1::Batch& batch);
/// kDone when it SUCCEEDED; else what its errors have in common.
ExitCode ExitCodeOf(const v1::Batch& batch);

/// "batches/<id>" for "<id>".
std::string BatchName(const std::string& text);

}  // namespace fetchd::cli
