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

objstore::ObjectAttributes AttributesOf(const jobs::ObjectSettings& object) {
  return {.content_type = object.content_type,
          .content_disposition = object.content_disposition,
          .cache_control = object.cache_control,
          .storage_class = object.storage_class,
          .metadata = {object.metadata.begin(), object.metadata.end()},
          .tags = {object.tags.begin(), object.tags.end()}};
}

std::vector<jobs::Delivery> EarlierOf(const jobs::Job& job) {
  return job.result ? job.result->deliveries : std::vector<jobs::Delivery>();
}

Task<absl::Status> DropOneNoted(sink::Destinations& places, jobs::Store& store,
                                jobs::SinkNote note) {
  CO_ASSIGN_OR_RETURN(sink::Destination destination,
                      sink::ParseResolvedDestination(note.destination));
  CO_ASSIGN_OR_RETURN(const std::vector<jobs::SinkNote> there,
                      co_await store.SinkNotesAt(note.destination));
  std::vector<std::string> others;
  for (const jobs::SinkNote& each : there) {
    if (each.job != note.job) others.push_back(each.note);
  }
  CO_RETURN_IF_ERROR(
      co_await places.DropNoted(std::move(destination), note.note, std::move(others)));
  co_return co_await store.DropSinkNote(std::move(note));
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

bool AnyObject(const std::vector<sink::Destination>& destinations) {
  return std::ranges::any_of(destinations, [](const sink::Destination& destination) {
    return destination.kind == sink::Destination::Kind::kObject;
  });
}

Task<void> DropTemporaries(sink::Destinations& places, std::vector<sink::Destination> destinations,
                           JobId job, std::int64_t run) {
  for (sink::Destination& destination : destinations) {
    if (destination.kind == sink::Destination::Kind::kObject) continue;
    const absl::Status dropped = co_await places.DropTemporary(std::move(destination), job, run);
    dropped.IgnoreError();
  }
}

Task<void> DropNoted(sink::Destinations& places, jobs::Store& store, telemetry::Logger& log,
                     std::vector<jobs::SinkNote> notes) {
  for (const jobs::SinkNote& note : notes) {
    const absl::Status dropped = co_await DropOneNoted(places, store, note);
    if (dropped.ok()) continue;
    log.Warning("what a job has kept in a store is not removed", {{"job", note.job.name()},
                                                                  {"destination", note.destination},
                                                                  {"error", MessageOf(dropped)}});
  }
}

Deliveries::Deliveries(const jobs::Job& job, std::vector<sink::Destination> destinations)
    : job_(job), destinations_(std::move(destinations)), earlier_(EarlierOf(job)) {}

bool Deliveries::IsDone(std::size_t index) const {
  return index < earlier_.size() && earlier_[index].error.ok();
}

absl::StatusOr<std::unique_ptr<sink::Sink>> Deliveries::MakeSink(sink::Destinations& places,
                                                                 sink::SinkOrder order,
                                                                 SinkNotes* notes) {
  order.job = job_.id;
  order.overwrite = OverwriteOf(job_.overwrite);
  order.attributes = AttributesOf(job_.object);
  const auto make = [&](const sink::Destination& destination) {
    sink::SinkOrder own = order;
    if (destination.kind == sink::Destination::Kind::kObject) {
      own.notes = &notes->KeeperOf(destination.ToString());
      own.note = notes->For(destination.ToString());
    }
    return places.MakeSink(destination, std::move(own));
  };
  if (destinations_.size() == 1) return make(destinations_[0]);
  std::vector<std::unique_ptr<sink::Sink>> sinks;
  for (std::size_t i = 0; i < destinations_.size(); ++i) {
    if (IsDone(i)) continue;
    ASSIGN_OR_RETURN(sinks.emplace_back(), make(destinations_[i]));
  }
  auto tee = std::make_unique<sink::TeeSink>(std::move(sinks));
  tee_ = tee.get();
  return absl::StatusOr<std::unique_ptr<sink::Sink>>(std::move(tee));
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
