#include "store/postgres_store.h"

#include <utility>
#include <vector>

#include "store/allotments.h"
#include "store/job_key.h"
#include "store/postgres_committer.h"
#include "store/postgres_schema.h"
#include "store/postgres_session.h"
#include "store/progress_table.h"
#include "store/replica_watch.h"
#include "store/sql_store.h"

namespace fetchd::store {
namespace {

constexpr std::size_t kMostReaders = 6;

/// Reads have threads of their own: a server that is silent holds up those alone.
struct ReadingThreads {
  runtime::BlockingPool pool{kMostReaders};
};

absl::StatusOr<Database> OpenDatabase(const PostgresAddress& address, bool read_only) {
  ASSIGN_OR_RETURN(std::unique_ptr<PostgresSession> session,
                   PostgresSession::Open(address, {.read_only = read_only}));
  return Database(std::move(session));
}

absl::Status ForgetOldProcesses(Database& database) {
  for (const char* sql : {"DELETE FROM commits WHERE at < now() - interval '1 day'",
                          "DELETE FROM progress WHERE at < now() - interval '1 day'"}) {
    Query query(database, sql);
    RETURN_IF_ERROR(query.Run());
  }
  return absl::OkStatus();
}

class OpenPostgresStore final : private ReadingThreads, public SqlStore {
 public:
  /// `registered` is when it was begun to.
  OpenPostgresStore(PostgresConfig config, Parts parts, std::string replica, SteadyTime registered,
                    Clock& clock)
      : SqlStore(std::move(parts), clock, ReadingThreads::pool),
        address_(config.address),
        name_(std::move(replica)),
        allotments_({[this] { return PostgresSession::Open(address_, {}); }, name_, config.lease,
                     ReadingThreads::pool}) {
    auto connect = [this] { return PostgresSession::Open(address_, {}); };
    name_.Renewed(registered, RealClock().Now(), config.lease);
    StartWriter(MakePostgresCommitter({connect, keys(), [this] { return name_.Get(); },
                                       [this](const Effects& effects) { Publish(effects); }}));
    watch_ = std::make_unique<ReplicaWatch>(
        ReplicaWatchDeps{connect, clock, name_, figures(), writer(), config.lease, config.facts,
                         config.on_trouble ? config.on_trouble : [](const absl::Status&) {},
                         config.on_clock ? config.on_clock : [](Duration) {},
                         config.on_rescue ? config.on_rescue : [](const Rescue&) {},
                         [this] { allotments_.Tell(); }});
  }
  ~OpenPostgresStore() override {
    watch_.reset();
    StopWriter();
  }

  Task<absl::StatusOr<std::uint64_t>> Recover() override {
    std::uint64_t recovered = 0;
    for (bool own = true; own;) {
      CO_ASSIGN_OR_RETURN(const Rescue done, co_await Step(&OpenPostgresStore::StepOwn));
      recovered += done.jobs;
      own = done.more;
    }
    for (bool more = true; more;) {
      CO_ASSIGN_OR_RETURN(const Rescue done, co_await Step(&OpenPostgresStore::StepOthers));
      recovered += done.jobs;
      more = done.more;
    }
    co_return recovered;
  }

  bool IsShared() const override { return true; }
  jobs::AllotmentStore* allotments() override { return &allotments_; }

  Task<absl::Status> TellProgress(std::vector<jobs::RunningProgress> here) override {
    auto tell = [this, &here](Transaction& transaction) {
      return SaveProgress(transaction.jobs.database(), name_.Get(), here);
    };
    co_return co_await writer().Apply(tell);
  }
  Task<absl::StatusOr<std::vector<jobs::RunningProgress>>> ToldProgress() override {
    co_return co_await Read(&LoadProgress);
  }

  Task<absl::StatusOr<std::vector<jobs::Replica>>> Replicas() override {
    co_return co_await Read(
        [this](Database& database) { return LoadReplicas(database, name_.Get()); });
  }

  Task<absl::StatusOr<std::uint64_t>> StoredBytes(std::string tenant) override {
    auto load = [&tenant](Database& database) { return LoadTenant(database, tenant); };
    CO_ASSIGN_OR_RETURN(const Census::Loaded loaded, co_await Read(load));
    co_return loaded.stored_bytes;
  }

  Task<absl::StatusOr<jobs::StoreStats>> Stats() override {
    auto load = [this](Database& database) -> absl::StatusOr<jobs::StoreStats> {
      jobs::StoreStats stats = figures().stats();
      RETURN_IF_ERROR(LoadCounts(database, stats));
      return stats;
    };
    co_return co_await Read(load);
  }

 protected:
  absl::Status BeforeClaims(Transaction& transaction) override {
    if (watch_->has_abandoned()) {
      return absl::UnavailableError("claims whose outcome is unknown are given back first");
    }
    return HoldLease(transaction.jobs.database(), transaction.jobs.replica());
  }
  void AbandonClaims(std::vector<jobs::ClaimId> claims) override {
    watch_->Abandon(std::move(claims));
  }

 private:
  using StepOf = absl::StatusOr<Rescue> (OpenPostgresStore::*)(Transaction&);

  absl::StatusOr<Rescue> StepOwn(Transaction& transaction) {
    return RecoverOwn(transaction, name_.Get(), clock().WallNow());
  }
  absl::StatusOr<Rescue> StepOthers(Transaction& transaction) {
    return RescueJobs(transaction, name_.Get(), Gone::kClosed, clock().WallNow());
  }
  Task<absl::StatusOr<Rescue>> Step(StepOf step) {
    auto run = [this, step](Transaction& transaction) { return (this->*step)(transaction); };
    co_return co_await writer().RunAlone(run);
  }

  const PostgresAddress address_;
  ReplicaName name_;
  PostgresAllotments allotments_;
  std::unique_ptr<ReplicaWatch> watch_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<jobs::Store>> PostgresStore::Open(PostgresConfig config,
                                                                 Clock& clock) {
  ASSIGN_OR_RETURN(Database database, OpenDatabase(config.address, false));
  ASSIGN_OR_RETURN(const std::optional<Duration> ahead, MeasureClock(database));
  if (ahead && config.on_clock) config.on_clock(*ahead);
  RETURN_IF_ERROR(MigratePostgres(database));
  RETURN_IF_ERROR(AdoptSharedKeys(database, config.keys, config.keys_from,
                                  {config.on_sealing_anew, config.stop_asked}));
  const std::string replica = ReplicaName::Random();
  const SteadyTime registered = RealClock().Now();
  RETURN_IF_ERROR(RegisterReplica(database, replica, config.facts, config.lease));
  RETURN_IF_ERROR(ForgetOldProcesses(database));
  ASSIGN_OR_RETURN(const std::int64_t last_sequence, LoadLastSequence(database));
  auto open_reader = [address = config.address] { return OpenDatabase(address, true); };
  SqlStore::Parts parts{
      config.keys, jobs::StoreStats(), last_sequence, std::move(open_reader), kMostReaders,
      true,        config.commits};
  return std::make_unique<OpenPostgresStore>(std::move(config), std::move(parts), replica,
                                             registered, clock);
}

}  // namespace fetchd::store
