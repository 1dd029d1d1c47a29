#include "store/sqlite_store.h"

#include <limits>
#include <utility>

#include "store/data_files.h"
#include "store/figures.h"
#include "store/job_key.h"
#include "store/schema.h"
#include "store/sql_store.h"
#include "store/sqlite_committer.h"
#include "store/sqlite_session.h"

namespace fetchd::store {
namespace {

/// A base, to be given back after all else.
struct Locked {
  DatabaseLock lock;
};

class OpenSqliteStore final : private Locked, public SqlStore {
 public:
  OpenSqliteStore(DatabaseLock lock, Database database, Parts parts, Clock& clock,
                  runtime::BlockingPool& pool)
      : Locked{std::move(lock)}, SqlStore(std::move(parts), clock, pool) {
    const auto publish = [this](const Effects& effects) { Publish(effects); };
    StartWriter(
        MakeSqliteCommitter(std::move(database), keys(), Census(figures().stats()), publish));
  }
};

}  // namespace

absl::StatusOr<std::unique_ptr<jobs::Store>> SqliteStore::Open(SqliteConfig config, Clock& clock,
                                                               runtime::BlockingPool& pool) {
  ASSIGN_OR_RETURN(DatabaseLock lock, DatabaseLock::Acquire(config.path));
  RETURN_IF_ERROR(EnsureFile(config.path));
  ASSIGN_OR_RETURN(Database database, Database::Open(config.path, Database::Mode::kReadWrite));
  RETURN_IF_ERROR(Migrate(database));
  RETURN_IF_ERROR(FlushLog(database));
  ASSIGN_OR_RETURN(KeyRing keys, OpenKeys(database, config));
  ASSIGN_OR_RETURN(jobs::StoreStats stats, LoadStats(database));
  ASSIGN_OR_RETURN(const std::int64_t last_sequence, LoadLastSequence(database));
  auto open_reader = [path = config.path] {
    return Database::Open(path, Database::Mode::kReadOnly);
  };
  SqlStore::Parts parts{std::move(keys),
                        std::move(stats),
                        last_sequence,
                        std::move(open_reader),
                        std::numeric_limits<std::size_t>::max(),
                        false,
                        config.commits};
  return std::make_unique<OpenSqliteStore>(std::move(lock), std::move(database), std::move(parts),
                                           clock, pool);
}

}  // namespace fetchd::store
