#include "store/deferred_rows.h"

#include <utility>

namespace fetchd::store {

void DeferredRows::AddTo(jobs::Batch& batch) const {
  for (const Figure& figure : figures_) {
    if (figure.batch != batch.id) continue;
    // Wraps around: -1 takes one away.
    jobs::Tally& tally = batch.counters.Of(figure.share.fate);
    tally.objects += static_cast<std::uint64_t>(figure.sign);
    tally.bytes += figure.share.bytes * static_cast<std::uint64_t>(figure.sign);
  }
  for (const Touch& touch : touches_) {
    if (touch.batch != batch.id) continue;
    batch.version += 1;
    batch.updated_at = touch.at;
  }
}

void DeferredRows::Undo(const Mark& mark) {
  const auto keep = [](auto& rows, std::size_t kept) {
    rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(kept), rows.end());
  };
  keep(events_, mark.events);
  keep(figures_, mark.figures);
  keep(touches_, mark.touches);
  keep(entries_, mark.entries);
  keep(bodies_, mark.bodies);
  keep(forgotten_, mark.forgotten);
}

}  // namespace fetchd::store
