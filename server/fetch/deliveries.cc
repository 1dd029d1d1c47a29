#include "fetch/deliveries.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"

namespace fetchd::fetch {
namespace {

sink::OverwritePolicy OverwriteOf(jobs::Overwrite overwrite) {
  switch (overwrite) {
    case jobs::Overwrite::kAlways:
      return sink::OverwritePolicy::kAlways;
    case jobs::Overwrite::kNever:
      return sink::OverwritePolicy::kNever;
    case jobs::Overwrite::kIfDifferent:
      return sink::OverwritePolicy::kIfDifferent;
  }
  return sink::OverwritePolicy::kNever;
}

std::vector<jobs::Delivery> EarlierOf(const jobs::Job& job) {
  return job.result ? job.result->deliveries : std::vector<jobs::Delivery>();
}

}  // namespace

absl::StatusOr<std::vector<sink::Destination>> DestinationsOf(const jobs::Job& job) {
  std::vector<sink::Destination> destinations;
  ASSIGN_OR_RETURN(destinations.emplace_back(), sink::ParseResolvedDestination(job.destination));
  for (const jobs::MoreDestination& more : job.more_destinations) {
    ASSIGN_OR_RETURN(destinations.emplace_back(), sink::ParseResolvedDestination(more.resolved));
  }
  return destinations;
}

Task<void> DropTemporaries(sink::Destinations& places, std::vector<sink::Destination> destinations,
                           JobId job) {
  for (sink::Destination& destination : destinations) {
    const absl::Status dropped = co_await places.DropTemporary(std::move(destination), job);
    dropped.IgnoreError();
  }
}

Deliveries::Deliveries(const jobs::Job& job, std::vector<sink::Destination> destinations)
    : job_(job), destinations_(std::move(destinations)), earlier_(EarlierOf(job)) {}

bool Deliveries::IsDone(std::size_t index) const {
  return index < earlier_.size() && earlier_[index].error.ok();
}

std::unique_ptr<sink::Sink> Deliveries::MakeSink(sink::Destinations& places) {
  const sink::OverwritePolicy overwrite = OverwriteOf(job_.overwrite);
  if (destinations_.size() == 1) return places.MakeSink(destinations_[0], job_.id, overwrite);
  std::vector<std::unique_ptr<sink::Sink>> sinks;
  for (std::size_t i = 0; i < destinations_.size(); ++i) {
    if (!IsDone(i)) sinks.push_back(places.MakeSink(destinations_[i], job_.id, overwrite));
  }
  auto tee = std::make_unique<sink::TeeSink>(std::move(sinks));
  tee_ = tee.get();
  return tee;
}

std::vector<jobs::Delivery> Deliveries::Outcomes(const std::string& digest) const {
  std::vector<jobs::Delivery> deliveries;
  if (tee_ == nullptr) return deliveries;
  const std::vector<absl::StatusOr<sink::Receipt>> outcomes = tee_->Outcomes();
  auto next = outcomes.begin();
  for (std::size_t i = 0; i < destinations_.size(); ++i) {
    if (IsDone(i)) {
      deliveries.push_back(earlier_[i]);
      continue;
    }
    const absl::StatusOr<sink::Receipt>& outcome = *next++;
    if (outcome.ok()) {
      deliveries.push_back({outcome->destination, {}, outcome->unchanged, digest});
    } else {
      deliveries.push_back({destinations_[i].ToString(), outcome.status(), false, ""});
    }
  }
  return deliveries;
}

absl::Status StatusOf(const std::vector<jobs::Delivery>& deliveries) {
  const auto failed = [](const jobs::Delivery& delivery) { return !delivery.error.ok(); };
  const auto first = std::ranges::find_if(deliveries, failed);
  if (first == deliveries.end()) return absl::OkStatus();
  const auto count = std::ranges::count_if(deliveries, failed);
  return WithPrefix(first->error,
                    Concat(count, " of ", deliveries.size(),
                           " destinations did not get the body: ", first->destination));
}

}  // namespace fetchd::fetch
