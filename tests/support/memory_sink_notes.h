// The sinks' notes of MemoryStore.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "jobs/sink_note_store.h"

namespace fetchd::testing {

/// Not thread-safe.
class MemorySinkNotes {
 public:
  void Keep(const jobs::SinkNote& note) { notes_[{note.job, note.destination}] = note; }
  void Drop(const jobs::SinkNote& note) {
    const auto entry = notes_.find({note.job, note.destination});
    if (entry != notes_.end() && entry->second == note) notes_.erase(entry);
  }
  /// Behind `after`, of the jobs that `wanted` names.
  std::vector<jobs::SinkNote> Find(const jobs::SinkNote& after, std::size_t limit,
                                   const std::function<bool(const JobId&)>& wanted) const {
    std::vector<jobs::SinkNote> found;
    for (auto entry = notes_.upper_bound({after.job, after.destination});
         entry != notes_.end() && found.size() < limit; ++entry) {
      if (wanted(entry->second.job)) found.push_back(entry->second);
    }
    return found;
  }

 private:
  std::map<std::pair<JobId, std::string>, jobs::SinkNote> notes_;
};

}  // namespace fetchd::testing
