// What a transaction keeps back for its end, where several processes write to one database.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "jobs/batch.h"
#include "jobs/job.h"

namespace fetchd::store {

/// Events, whose numbers follow the order of commits; figures of batches, which everybody changes;
/// and which body is at a destination now, of which each replaces the one before: their rows are
/// written last, under a lock that is held for the end of the transaction alone (see
/// postgres_committer.h). One thread at a time.
class DeferredRows {
 public:
  struct Event {
    std::string job_id;
    jobs::State state;
    WallTime at;
    bool deleted = false;
    // Of a deletion: what filters need to know of the job that is gone.
    std::string origin = {}, labels = {}, tenant = {}, batch = {};
    WallTime created_at = {};
  };
  /// Added `sign` times to the figures of a batch.
  struct Figure {
    BatchId batch;
    jobs::BatchShare share;
    int sign = 1;
  };
  struct Touch {
    BatchId batch;
    WallTime at;
  };
  /// An entry that is new in its batch: it must be open still, and the entry of one kind alone.
  struct Entry {
    BatchId batch;
    std::int64_t entry = 0;
  };
  /// A job's body is at a destination.
  struct Body {
    std::string destination, job_id, tenant;
    std::int64_t bytes = 0;
  };
  /// A job is gone: its bodies count no more.
  struct Forgotten {
    std::string job_id;
  };

  void Add(Event event) { events_.push_back(std::move(event)); }
  void Add(Figure figure) { figures_.push_back(std::move(figure)); }
  void Add(Touch touch) { touches_.push_back(std::move(touch)); }
  void Add(Entry entry) { entries_.push_back(std::move(entry)); }
  void Add(Body body) { bodies_.push_back(std::move(body)); }
  void Add(Forgotten job) { forgotten_.push_back(std::move(job)); }

  const std::vector<Event>& events() const { return events_; }
  const std::vector<Figure>& figures() const { return figures_; }
  const std::vector<Touch>& touches() const { return touches_; }
  const std::vector<Entry>& entries() const { return entries_; }
  const std::vector<Body>& bodies() const { return bodies_; }
  const std::vector<Forgotten>& forgotten() const { return forgotten_; }

  /// What is kept back for `batch`, which was read without it.
  void AddTo(jobs::Batch& batch) const;

  /// To go back to with Undo().
  struct Mark {
    std::size_t events = 0, figures = 0, touches = 0, entries = 0, bodies = 0, forgotten = 0;
  };
  Mark mark() const {
    return {events_.size(),  figures_.size(), touches_.size(),
            entries_.size(), bodies_.size(),  forgotten_.size()};
  }
  void Undo(const Mark& mark);

 private:
  std::vector<Event> events_;
  std::vector<Figure> figures_;
  std::vector<Touch> touches_;
  std::vector<Entry> entries_;
  std::vector<Body> bodies_;
  std::vector<Forgotten> forgotten_;
};

}  // namespace fetchd::store
