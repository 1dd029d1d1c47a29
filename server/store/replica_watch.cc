#include "store/replica_watch.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "store/allotments.h"
#include "store/job_changes.h"

namespace fetchd::store {
namespace {

constexpr int kShortestPause = 50, kLongestPause = 5000;  // Milliseconds, before connecting again.
/// How long a lost notification may delay what others hear.
constexpr LeaseTime kLongestRound{3000};
constexpr int kBetweenLooks = 5;  // Milliseconds.

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

void ReplicaWatch::Abandon(std::vector<jobs::ClaimId> claims) {
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
  Database database(std::move(session));
  {
    Query listen(database, "LISTEN fetchd");
    RETURN_IF_ERROR(listen.Run());
  }
  if (!heard_before_) steady_since_ = renewed_at_ = clock_.Now();
  RETURN_IF_ERROR(KeepLease(database));
  // Batches have no numbers: what was said of them meanwhile is not made up for by a look.
  if (std::exchange(heard_before_, true)) RETURN_IF_ERROR(LookAtNewest(database, true));
  if (std::exchange(failures_, 0) > 0) deps_.on_trouble(absl::OkStatus());
  const auto round = std::min(deps_.lease / 4, kLongestRound);
  const int socket = static_cast<PostgresSession&>(database.session()).socket();
  SteadyTime renew_at = clock_.Now() + round;
  while (true) {
    // What came in with an answer does not wake the next pause.
    RETURN_IF_ERROR(HearNews(database, renew_at));
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
absl::Status ReplicaWatch::HearNews(Database& database, SteadyTime until) {
  auto& session = static_cast<PostgresSession&>(database.session());
  for (bool others = true; others && clock_.Now() < until;) {
    others = false;
    while (true) {
      ASSIGN_OR_RETURN(const auto from, session.NextNotification());
      if (!from) break;
      if (from->starts_with(kAllotmentNews)) {
        if (!from->ends_with(deps_.name.Get())) deps_.on_allotment_news();
        continue;
      }
      others = others || *from != deps_.name.Get();
    }
    if (!others) break;
    RETURN_IF_ERROR(LookAtNewest(database, true));
    // Where others commit all the time, one look answers for many.
    if (!Pause(kBetweenLooks)) break;
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
  const SteadyTime sent = clock_.Now();
  ASSIGN_OR_RETURN(const bool kept, RenewLease(database, id, deps_.lease));
  if (!kept) {
    // What it runs is lost, which its workers find out. It goes on as another one.
    const std::string another = ReplicaName::Random();
    RETURN_IF_ERROR(RegisterReplica(database, another, deps_.facts, deps_.lease));
    deps_.name.Set(another);
  }
  NoteRenewal();
  if (deps_.name.Renewed(sent, clock_.Now(), deps_.lease)) deps_.on_allotment_news();
  ASSIGN_OR_RETURN(const std::optional<Duration> ahead, MeasureClock(database));
  if (ahead) deps_.on_clock(*ahead);
  ASSIGN_OR_RETURN(const bool gone, IsAnyGone(database, deps_.name.Get(), WhoIsGone()));
  if (gone || has_abandoned()) Wake();
  // When its claims are lost, whoever has them is to look.
  return LookAtNewest(database, !kept);
}

// A gap in which others could not renew either starts the wait anew.
void ReplicaWatch::NoteRenewal() {
  const SteadyTime now = clock_.Now();
  if (now - std::exchange(renewed_at_, now) > deps_.lease / 2) steady_since_ = now;
  is_steady_ = now - steady_since_ >= deps_.lease;
}

Gone ReplicaWatch::WhoIsGone() const { return is_steady_ ? Gone::kAll : Gone::kClosed; }

bool ReplicaWatch::has_abandoned() const {
  const std::lock_guard lock(mutex_);
  return !abandoned_.empty();
}

void ReplicaWatch::Work() {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || work_; });
      if (stopping_) return;
      work_ = false;
    }
    GiveBackAll();
    Rescue();
  }
}

void ReplicaWatch::Rescue() {
  for (bool more = true; more;) {
    store::Rescue done;
    auto rescue = [&](Transaction& transaction) -> absl::Status {
      ASSIGN_OR_RETURN(
          done, RescueJobs(transaction, deps_.name.Get(), WhoIsGone(), deps_.clock.WallNow()));
      return absl::OkStatus();
    };
    if (!deps_.writer.ApplyBlocking(rescue, true).ok()) return;  // The next round tries again.
    if (done.jobs + done.parked > 0) deps_.on_rescue(done);
    more = done.more;
  }
}

// What cannot be given back now is so in the next round: nobody claims until then.
void ReplicaWatch::GiveBackAll() {
  std::vector<jobs::ClaimId> claims;
  {
    const std::lock_guard lock(mutex_);
    claims = abandoned_;
  }
  if (claims.empty()) return;
  auto give_back = [&](Transaction& transaction) -> absl::Status {
    for (const jobs::ClaimId& claim : claims) {
      RETURN_IF_ERROR(GiveBack(transaction, deps_.name.Get(), claim, deps_.clock.WallNow()));
    }
    return absl::OkStatus();
  };
  if (!deps_.writer.ApplyBlocking(give_back, true).ok()) return;
  const std::lock_guard lock(mutex_);
  std::erase_if(abandoned_, [&claims](const jobs::ClaimId& claim) {
    return std::ranges::find(claims, claim) != claims.end();
  });
}

}  // namespace fetchd::store
