// The keys that seal what the store keeps of credentials, from where the configuration says.
#pragma once

#include "app/config.h"
#include "base/status.h"
#include "store/sqlite_store.h"
#include "telemetry/log.h"

namespace fetchd::app {

/// How the store of `config` is opened. Reads secrets.key_file or runs secrets.key_command, which
/// blocks; without either the store has its own key file. FAILED_PRECONDITION naming the key.
/// Sealing anew is told to `log`, which outlives it.
absl::StatusOr<store::SqliteConfig> SqliteConfigOf(const Config& config, const Clock& clock,
                                                   telemetry::Logger& log);

/// Whether secrets.key_file, when it is named, holds keys. The command is not run.
absl::Status CheckSealingKeys(const Config& config);

}  // namespace fetchd::app
