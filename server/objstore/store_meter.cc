#include "objstore/store_meter.h"

#include <algorithm>
#include <numeric>

namespace fetchd::objstore {

const char* StoreOutcomeName(StoreOutcome outcome) {
  switch (outcome) {
    case StoreOutcome::kOk:
      return "ok";
    case StoreOutcome::kRefused:
      return "refused";
    case StoreOutcome::kThrottled:
      return "throttled";
    case StoreOutcome::kFailed:
      return "failed";
    case StoreOutcome::kNoAnswer:
      break;
  }
  return "no_answer";
}

void StoreMeter::Note(std::string_view operation, StoreOutcome outcome, Duration took) {
  const auto found = std::ranges::find(kOperations, operation);
  const auto index = static_cast<std::size_t>(found - kOperations.begin());
  Counters& counters = counters_[std::min(index, kOperations.size() - 1)];
  counters.requests[static_cast<std::size_t>(outcome)].fetch_add(1, std::memory_order_relaxed);
  counters.took.Observe(took);
}

void StoreMeter::Read(
    const std::function<void(std::string_view operation, const Figures&)>& each) const {
  for (std::size_t i = 0; i < kOperations.size(); ++i) {
    Figures figures;
    for (std::size_t k = 0; k < figures.requests.size(); ++k) {
      figures.requests[k] = counters_[i].requests[k].load(std::memory_order_relaxed);
    }
    figures.took = counters_[i].took.Read();
    const auto all =
        std::accumulate(figures.requests.begin(), figures.requests.end(), std::uint64_t{0});
    if (all > 0) each(kOperations[i], figures);
  }
}

}  // namespace fetchd::objstore
