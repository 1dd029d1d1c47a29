#include "app/sealing_keys.h"

#include <unistd.h>

#include <climits>
#include <string>
#include <utility>

#include "app/command_output.h"
#include "app/credential_files.h"
#include "base/check.h"
#include "base/strings.h"

namespace fetchd::app {
namespace {

constexpr Duration kNotableDifference = std::chrono::seconds(2);
constexpr char kFileKey[] = "secrets.key_file";
constexpr char kCommandKey[] = "secrets.key_command";

absl::StatusOr<store::KeyRing> KeysIn(const absl::StatusOr<Secret>& text, const char* key,
                                      const std::string& source) {
  if (!text.ok()) return WithPrefix(text.status(), key);
  absl::StatusOr<store::KeyRing> keys = store::KeyRing::Parse(text->Reveal());
  if (keys.ok()) return keys;
  return WithPrefix(keys.status(), Concat(key, ": ", source));
}

std::string HostName() {
  char name[HOST_NAME_MAX + 1] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "unknown";
}

void Tell(telemetry::Logger& log, const store::Resealing& resealing) {
  if (!resealing.ended) {
    return log.Info("sealing stored credentials anew", {{"key", resealing.key_id}});
  }
  log.Info("stored credentials are sealed with the first key: it alone is needed",
           {{"key", resealing.key_id}, {"jobs", resealing.jobs}});
  if (resealing.damaged == 0) return;
  log.Warning("stored jobs that cannot be read stay as they are", {{"jobs", resealing.damaged}});
}

}  // namespace

absl::StatusOr<std::optional<SealingKeys>> SealingKeysOf(const Config& config, const Clock& clock) {
  const SecretsConfig& secrets = config.secrets;
  if (!secrets.key_command.empty()) {
    const auto output = CommandOutput(secrets.key_command, secrets.key_command_timeout, clock);
    ASSIGN_OR_RETURN(store::KeyRing keys, KeysIn(output, kCommandKey, "its output"));
    return SealingKeys{std::move(keys), kCommandKey};
  }
  if (secrets.key_file.empty()) return std::nullopt;
  const absl::StatusOr<Secret> text = ReadPrivateFile(secrets.key_file);
  ASSIGN_OR_RETURN(store::KeyRing keys, KeysIn(text, kFileKey, secrets.key_file));
  return SealingKeys{std::move(keys), Concat(kFileKey, " (", secrets.key_file, ")")};
}

absl::StatusOr<store::SqliteConfig> SqliteConfigOf(const Config& config, const Clock& clock,
                                                   telemetry::Logger& log) {
  store::SqliteConfig sqlite{.path = config.DatabasePath(), .key_file = config.OwnKeyFile()};
  sqlite.on_sealing_anew = [&log](const store::Resealing& resealing) { Tell(log, resealing); };
  ASSIGN_OR_RETURN(std::optional<SealingKeys> keys, SealingKeysOf(config, clock));
  if (!keys) return sqlite;
  sqlite.keys = std::move(keys->keys);
  sqlite.keys_from = std::move(keys->from);
  return sqlite;
}

absl::StatusOr<store::PostgresConfig> PostgresConfigOf(const Config& config, const Clock& clock,
                                                       telemetry::Logger& log) {
  ASSIGN_OR_RETURN(std::optional<SealingKeys> keys, SealingKeysOf(config, clock));
  FETCHD_CHECK(keys.has_value());  // CheckConfig.
  store::PostgresConfig postgres{
      .address = {config.store_url, Secret()},
      .keys = std::move(keys->keys),
      .keys_from = std::move(keys->from),
      .lease = std::chrono::duration_cast<store::LeaseTime>(config.store_lease)};
  if (!config.store_password_file.empty()) {
    absl::StatusOr<Secret> password = ReadSecretFile(config.store_password_file);
    if (!password.ok()) return WithPrefix(password.status(), "store.password_file");
    postgres.address.password = *std::move(password);
  }
  postgres.on_sealing_anew = [&log](const store::Resealing& resealing) { Tell(log, resealing); };
  postgres.on_trouble = [&log](const absl::Status& trouble) {
    if (trouble.ok()) return log.Info("the job database answers again");
    log.Warning("the job database does not answer", {{"error", MessageOf(trouble)}});
  };
  postgres.on_rescue = [&log](const store::Rescue& rescue) {
    log.Warning("jobs of a process that is gone were taken over",
                {{"replica", rescue.replica}, {"jobs", rescue.jobs}, {"failed", rescue.parked}});
  };
  return postgres;
}

absl::StatusOr<std::unique_ptr<jobs::Store>> OpenStore(const Config& config, StoreDeps deps) {
  absl::StatusOr<std::unique_ptr<jobs::Store>> store;
  if (config.UsesPostgres()) {
    ASSIGN_OR_RETURN(store::PostgresConfig postgres,
                     PostgresConfigOf(config, deps.clock, deps.log));
    postgres.commits = &deps.commits;
    postgres.stop_asked = std::move(deps.stop_asked);
    postgres.facts = {HostName(), std::string(deps.version)};
    postgres.on_clock = [&clock = deps.clock, &log = deps.log,
                         told = false](Duration ahead) mutable {
      clock.SetAhead(ahead);
      if (std::chrono::abs(ahead) < kNotableDifference || std::exchange(told, true)) return;
      log.Warning(
          "the clocks of the job database and of this machine differ: jobs go by the former",
          {{"ahead_ms", ahead}});
    };
    store = store::PostgresStore::Open(std::move(postgres), deps.clock);
  } else {
    ASSIGN_OR_RETURN(store::SqliteConfig sqlite, SqliteConfigOf(config, deps.clock, deps.log));
    sqlite.commits = &deps.commits;
    sqlite.stop_asked = std::move(deps.stop_asked);
    store = store::SqliteStore::Open(std::move(sqlite), deps.clock, deps.pool);
  }
  if (store.ok() || absl::IsCancelled(store.status())) return store;
  return WithPrefix(store.status(), "store.url");
}

absl::Status CheckSealingKeys(const Config& config) {
  const std::string& path = config.secrets.key_file;
  if (path.empty()) return absl::OkStatus();
  return KeysIn(ReadPrivateFile(path), kFileKey, path).status();
}

}  // namespace fetchd::app
