// What this process may use of limits that it keeps together with others.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/task.h"
#include "base/time.h"
#include "fetch/wake_event.h"
#include "jobs/allotment_store.h"

namespace fetchd::fetch {

/// Something of which all processes together use no more than `limit`.
struct SharedUse {
  std::string key;  ///< "host example.org:443"
  std::size_t limit = 0;
  std::size_t used = 0;    ///< Now; what cannot be given back at once.
  std::size_t wanted = 0;  ///< In use by somebody, or waited for.
};

/// Who uses allotments, and never begins to use more than Allotments::Of() says when it does.
/// Thread-safe.
class AllotmentUser {
 public:
  virtual ~AllotmentUser() = default;
  /// Adds all that is used or waited for. Of one key that several add the largest numbers count.
  virtual void AddUses(std::vector<SharedUse>& uses) = 0;
  /// Of() says something else now. Keys of others are passed over.
  virtual void Reconsider(const std::string& key) = 0;
};

/// Holds what the store allots to this process, and asks it for more, or gives back, as its use
/// changes: at once when something is wanted that it has nothing or too little of, or the others
/// have news; else every few seconds. What is not used for some rounds goes back. No caller waits
/// for it.
///
/// When the lease has passed, or the store is not there for so long, each process may use its even
/// part of what the limit was for those that were there, and at least one. See docs/engine.md for
/// what that makes in all.
///
/// Thread-safe; Run() is one task on `executor`. Users are called without locks held.
class Allotments {
 public:
  static constexpr Duration kRound = std::chrono::seconds(3);
  /// While somebody has less than it wants.
  static constexpr Duration kContendedRound = std::chrono::milliseconds(500);
  /// Between two calls of the store: what is wanted meanwhile goes into one.
  static constexpr Duration kGap = std::chrono::milliseconds(10);
  /// How long a wish holds that Want() tells.
  static constexpr Duration kWish = std::chrono::seconds(10);
  /// Rounds in which less was used than is held, before it is given back.
  static constexpr int kPatience = 4;

  Allotments(asio::any_io_executor executor, Clock& clock, jobs::AllotmentStore& store);

  /// Before Run(); it outlives that.
  void Serve(AllotmentUser& user) { users_.push_back(&user); }
  Task<absl::Status> Run();
  void Stop();  ///< Thread-safe. What is held stays so until the lease passes.
  void News();  ///< See AllotmentStore::OnNews. Thread-safe.
  /// Called after something was allotted, or taken away; null: no more, once this returns.
  void OnChange(std::function<void()> callback);

  /// How many may be in use now.
  std::size_t Of(const std::string& key, std::size_t limit) const;
  /// So many would be used if that said so. Cheap when it is known.
  void Want(const std::string& key, std::size_t limit, std::size_t wanted);
  /// Less is used of what was more than Of() says.
  void GaveBack(const std::string& key);
  /// The lease has not passed, and what Of() says is of this one.
  bool Last() const;

 private:
  struct Held {
    std::size_t limit = 0;
    std::size_t slots = 0;  ///< That the store knows of.
    std::size_t cap = 0;    ///< At most these: more are being given back.
    bool lacks = false;     ///< The store knows that it would use more.
    bool contended = false;
    std::size_t wish = 0;
    SteadyTime wish_until = SteadyTime::min();
    std::size_t busiest = 0;  ///< Used or wanted, in the rounds counted in `quiet`.
    int quiet = 0;            ///< Rounds in a row in which that was less than `cap`.
  };
  using Uses = std::map<std::string, SharedUse>;

  Task<void> Ask(bool all);
  Task<void> WaitForReason();
  bool LastNow() const;  ///< Under the lock.
  void Prepare(bool all);
  Uses Collect();
  std::vector<jobs::AllotmentAsk> MakeAsks(const Uses& uses, bool all);
  jobs::AllotmentAsk AskFor(const std::string& key, Held& held, const SharedUse& use);
  std::vector<std::string> Keep(const std::vector<jobs::AllotmentAsk>& asks,
                                const jobs::Allotted& allotted);
  void NoteRound(const Uses& uses);
  void TellUsers(const std::vector<std::string>& keys);
  void Changed();

  Clock& clock_;
  jobs::AllotmentStore& store_;
  std::vector<AllotmentUser*> users_;
  WakeEvent wake_;
  std::atomic<bool> stopping_{false}, news_{false};
  // Of Run().
  SteadyTime round_at_ = SteadyTime::min(), asked_at_ = SteadyTime::min();
  int failures_ = 0;  ///< In a row.
  bool lasted_ = true;

  mutable std::mutex mutex_;  ///< Guards all below.
  std::map<std::string, Held> held_;
  std::set<std::string> dirty_;  ///< Keys to ask of before the next round.
  std::uint64_t lease_ = 0;      ///< The number of that under which it is held.
  std::size_t replicas_ = 0;     ///< When last heard of; 0 = never.
  std::mutex callback_mutex_;
  std::function<void()> on_change_;  ///< Guarded by callback_mutex_.
};

}  // namespace fetchd::fetch
