#include "store/replica_watch.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "store/job_changes.h"

namespace fetchd::store {
namespace {

constexpr int kShortestPause = 50, kLongestPause = 5000;  // Milliseconds, before connecting again.
/// How long a lost notification may delay what others hear.
constexpr LeaseTime kLongestRound{3000};

}  // namespace

ReplicaWatch::ReplicaWatch(ReplicaWatchDeps deps)
    : deps_(std::move(deps)), random_(std::random_device()()) {
  FETCHD_CHECK(pipe2(stop_, O_CLOEXEC) == 0);
  listening_ = std::jthread([this] {
    pthread_setname_np(pthread_self(), "store-listen");
    BlockSignals();
    Listen();
  });
  working_ = std::jthread([this] {
    pthread_setname_np(pthread_self(), "store-rescue");
    BlockSignals();
    Work();
  });
}

ReplicaWatch::~ReplicaWatch() {
  close(stop_[1]);
  listening_.join();
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  working_.join();
  close(stop_[0]);
}

void ReplicaWatch::Abandon(std::vector<AbandonedClaim> claims) {
  {
    const std::lock_guard lock(mutex_);
    abandoned_.insert(abandoned_.end(), std::make_move_iterator(claims.begin()),
                      std::make_move_iterator(claims.end()));
  }
  Wake();
}

void ReplicaWatch::Wake() {
  {
    const std::lock_guard lock(mutex_);
    work_ = true;
  }
  wake_.notify_one();
}

bool ReplicaWatch::Pause(int milliseconds, int socket) {
  pollfd waiting[2] = {{stop_[0], POLLIN, 0}, {socket, POLLIN, 0}};
  poll(waiting, socket < 0 ? 1 : 2, milliseconds);
  return waiting[0].revents == 0;
}

void ReplicaWatch::Listen() {
  while (true) {
    const absl::Status ended = ListenOnce();
    if (ended.ok()) return;
    if (failures_++ == 0) deps_.on_trouble(ended);
    const int most = std::min(kShortestPause << std::min(failures_, 10), kLongestPause);
    if (!Pause(std::uniform_int_distribution<int>(most / 2, most)(random_))) return;
  }
}

// OK: it was told to end.
absl::Status ReplicaWatch::ListenOnce() {
  ASSIGN_OR_RETURN(std::unique_ptr<PostgresSession> session, deps_.connect());
  RETURN_IF_ERROR(session->Execute("LISTEN fetchd"));
  Database database(std::move(session));
  RETURN_IF_ERROR(KeepLease(database));
  if (std::exchange(failures_, 0) > 0) deps_.on_trouble(absl::OkStatus());
  const auto round = std::min(deps_.lease / 4, kLongestRound);
  const int socket = static_cast<PostgresSession&>(database.session()).socket();
  SteadyTime renew_at = clock_.Now() + round;
  while (true) {
    // What came in with an answer does not wake the next pause.
    RETURN_IF_ERROR(HearNews(database));
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(renew_at - clock_.Now());
    if (!Pause(static_cast<int>(std::max(left.count(), LeaseTime::rep{0})), socket)) break;
    if (clock_.Now() < renew_at) continue;
    RETURN_IF_ERROR(KeepLease(database));
    renew_at = clock_.Now() + round;
  }
  CloseReplica(database, deps_.name.Get()).IgnoreError();  // Else its lease passes.
  return absl::OkStatus();
}

// Of any number of notifications one is as good as all. The own ones are known.
absl::Status ReplicaWatch::HearNews(Database& database) {
  auto& session = static_cast<PostgresSession&>(database.session());
  for (bool others = true; others;) {
    others = false;
    while (true) {
      ASSIGN_OR_RETURN(const auto from, session.NextNotification());
      if (!from) break;
      others = others || *from != deps_.name.Get();
    }
    if (others) RETURN_IF_ERROR(LookAtNewest(database, true));
  }
  return absl::OkStatus();
}

absl::Status ReplicaWatch::LookAtNewest(Database& database, bool others) {
  ASSIGN_OR_RETURN(const std::int64_t newest, LoadLastSequence(database));
  deps_.figures.PublishOthers(newest, others);
  return absl::OkStatus();
}

absl::Status ReplicaWatch::KeepLease(Database& database) {
  const std::string id = deps_.name.Get();
  ASSIGN_OR_RETURN(const bool kept, RenewLease(database, id, deps_.lease));
  if (!kept) {
    // What it runs is lost, which its workers find out. It goes on as another one.
    const std::string another = ReplicaName::Random();
    RETURN_IF_ERROR(RegisterReplica(database, another, deps_.lease));
    deps_.name.Set(another);
  }
  ASSIGN_OR_RETURN(const bool gone, IsAnyGone(database, id, deps_.lease));
  if (gone) Wake();
  return LookAtNewest(database, false);
}

void ReplicaWatch::Work() {
  while (true) {
    std::vector<AbandonedClaim> claims;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || work_; });
      if (stopping_) return;
      work_ = false;
      claims.swap(abandoned_);
    }
    for (const AbandonedClaim& claim : claims) GiveBack(claim);
    Rescue();
  }
}

void ReplicaWatch::Rescue() {
  for (bool more = true; more;) {
    store::Rescue done;
    auto rescue = [&](Transaction& transaction) -> absl::Status {
      ASSIGN_OR_RETURN(
          done, RescueJobs(transaction, deps_.name.Get(), deps_.lease, deps_.clock.WallNow()));
      return absl::OkStatus();
    };
    if (!deps_.writer.ApplyBlocking(rescue, true).ok()) return;  // The next round tries again.
    if (done.jobs + done.parked > 0) deps_.on_rescue(done);
    more = done.more;
  }
}

void ReplicaWatch::GiveBack(const AbandonedClaim& claim) {
  auto give_back = [&](Transaction& transaction) {
    return ChangeJob(transaction, claim.id, claim.fence, jobs::Recovered(), deps_.clock.WallNow())
        .status();
  };
  const absl::Status given = deps_.writer.ApplyBlocking(give_back);
  if (absl::IsUnavailable(given)) {
    const std::lock_guard lock(mutex_);
    abandoned_.push_back(claim);  // For the next round.
  }
}

}  // namespace fetchd::store
