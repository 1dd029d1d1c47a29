// The keys that seal what the store keeps of credentials, from where the configuration says.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "app/config.h"
#include "base/following_clock.h"
#include "base/status.h"
#include "store/postgres_store.h"
#include "store/sqlite_store.h"
#include "telemetry/log.h"

namespace fetchd::app {

/// Where secrets.key_file or secrets.key_command says. nullopt: neither is named.
struct SealingKeys {
  store::KeyRing keys;
  std::string from;  ///< For an operator.
};
absl::StatusOr<std::optional<SealingKeys>> SealingKeysOf(const Config& config, const Clock& clock);

/// How the store of `config` is opened, on SQLite. Reads secrets.key_file or runs
/// secrets.key_command, which blocks; without either the store has its own key file.
/// FAILED_PRECONDITION naming the key. Sealing anew is told to `log`, which outlives it.
absl::StatusOr<store::SqliteConfig> SqliteConfigOf(const Config& config, const Clock& clock,
                                                   telemetry::Logger& log);

/// The same on PostgreSQL. Reads store.password_file, too.
absl::StatusOr<store::PostgresConfig> PostgresConfigOf(const Config& config, const Clock& clock,
                                                       telemetry::Logger& log);
/// All outlive the store.
struct StoreDeps {
  FollowingClock& clock;  ///< Of jobs: set to that of a database that others use, too.
  telemetry::Logger& log;
  store::CommitMeter& commits;
  runtime::BlockingPool& pool;
  std::string_view version;
  store::SqliteConfig::StopAsked stop_asked = nullptr;
};
/// The one or the other, opened. Blocks. CANCELLED: stop_asked said so before it was.
absl::StatusOr<std::unique_ptr<jobs::Store>> OpenStore(const Config& config, StoreDeps deps);

/// Whether secrets.key_file, when it is named, holds keys. The command is not run.
absl::Status CheckSealingKeys(const Config& config);

}  // namespace fetchd::app
