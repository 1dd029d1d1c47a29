// Connections that read what is committed.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "store/database.h"

namespace fetchd::store {

/// Thread-safe. Connections are opened when needed, at most one a thread that reads at the same
/// time, and kept.
class Readers {
 public:
  using Open = std::function<absl::StatusOr<Database>()>;

  /// At most `most` connections: who finds none waits for one.
  explicit Readers(Open open, std::size_t most = std::numeric_limits<std::size_t>::max())
      : open_(std::move(open)), most_(most) {}

  /// Calls read(database) inside one read transaction: all of its queries see the same commit. Once
  /// more on a new connection when a kept one turns out to be gone. Blocks: for pool threads.
  template <typename F>
  std::invoke_result_t<F&, Database&> Run(F& read) {
    const Place place(*this);
    std::unique_ptr<Database> kept = TakeKept();
    if (kept != nullptr) {
      auto result = RunOn(std::move(kept), read);
      if (!absl::IsUnavailable(result.status())) return result;
      DropKept();
    }
    ASSIGN_OR_RETURN(Database opened, open_());
    return RunOn(std::make_unique<Database>(std::move(opened)), read);
  }

 private:
  /// A connection may be used while it lives.
  class Place {
   public:
    explicit Place(Readers& readers);
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    Readers& readers_;
  };

  template <typename F>
  std::invoke_result_t<F&, Database&> RunOn(std::unique_ptr<Database> database, F& read) {
    RETURN_IF_ERROR(database->Begin());
    auto result = read(*database);
    // Ends a read: there is nothing to lose, and a connection that cannot even do that is not kept.
    if (database->RollBack().ok()) Return(std::move(database));
    return result;
  }
  std::unique_ptr<Database> TakeKept();
  void DropKept();
  void Return(std::unique_ptr<Database> database);

  const Open open_;
  const std::size_t most_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::size_t in_use_ = 0;                       // Guarded by mutex_.
  std::vector<std::unique_ptr<Database>> idle_;  // Guarded by mutex_.
};

}  // namespace fetchd::store
