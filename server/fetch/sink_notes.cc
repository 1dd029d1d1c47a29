#include "fetch/sink_notes.h"

#include <utility>

namespace fetchd::fetch {

/// Of one destination.
class SinkNotes::Keeper final : public sink::NoteKeeper {
 public:
  Keeper(const SinkNotes& notes, std::string destination)
      : notes_(notes), destination_(std::move(destination)) {}

  void Found(std::string note) { note_ = std::move(note); }
  const std::string& note() const { return note_; }

  Task<absl::Status> Keep(std::string note) override {
    absl::Status done;
    if (!note.empty()) {
      done = co_await notes_.store_.KeepSinkNote(Row(note), notes_.fence_);
    } else if (!note_.empty()) {
      done = co_await notes_.store_.DropSinkNote(Row(note_));
    }
    if (done.ok()) note_ = std::move(note);
    if (done.ok() || absl::IsAborted(done)) co_return done;
    // Our own trouble, whatever the store calls it.
    co_return WithPrefix(absl::UnavailableError(MessageOf(done)), "the job store takes no note");
  }

  Task<absl::StatusOr<std::vector<std::string>>> OfOthers() override {
    CO_ASSIGN_OR_RETURN(const std::vector<jobs::SinkNote> all,
                        co_await notes_.store_.SinkNotesAt(destination_));
    std::vector<std::string> others;
    for (const jobs::SinkNote& each : all) {
      if (each.job != notes_.job_) others.push_back(each.note);
    }
    co_return others;
  }

 private:
  jobs::SinkNote Row(std::string note) const {
    return {notes_.job_, destination_, std::move(note)};
  }

  const SinkNotes& notes_;
  const std::string destination_;
  std::string note_;  ///< As the store has it.
};

SinkNotes::SinkNotes(jobs::Store& store, JobId job, std::int64_t fence)
    : store_(store), job_(std::move(job)), fence_(fence) {}
SinkNotes::~SinkNotes() = default;

Task<absl::Status> SinkNotes::Load() {
  CO_ASSIGN_OR_RETURN(std::vector<jobs::SinkNote> notes, co_await store_.SinkNotesOf(job_));
  for (jobs::SinkNote& note : notes) {
    auto keeper = std::make_unique<Keeper>(*this, note.destination);
    keeper->Found(std::move(note.note));
    keepers_[note.destination] = std::move(keeper);
  }
  co_return absl::OkStatus();
}

std::string SinkNotes::For(const std::string& destination) const {
  const auto keeper = keepers_.find(destination);
  return keeper == keepers_.end() ? std::string() : keeper->second->note();
}

sink::NoteKeeper& SinkNotes::KeeperOf(const std::string& destination) {
  std::unique_ptr<Keeper>& keeper = keepers_[destination];
  if (keeper == nullptr) keeper = std::make_unique<Keeper>(*this, destination);
  return *keeper;
}

Task<void> SinkNotes::Forget() {
  for (const auto& [destination, keeper] : keepers_) {
    const absl::Status forgotten = co_await keeper->Keep("");
    forgotten.IgnoreError();
  }
}

}  // namespace fetchd::fetch
