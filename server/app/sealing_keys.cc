#include "app/sealing_keys.h"

#include <string>
#include <utility>

#include "app/command_output.h"
#include "app/credential_files.h"
#include "base/strings.h"

namespace fetchd::app {
namespace {

constexpr char kFileKey[] = "secrets.key_file";
constexpr char kCommandKey[] = "secrets.key_command";

absl::StatusOr<store::KeyRing> KeysIn(const absl::StatusOr<Secret>& text, const char* key,
                                      const std::string& source) {
  if (!text.ok()) return WithPrefix(text.status(), key);
  absl::StatusOr<store::KeyRing> keys = store::KeyRing::Parse(text->Reveal());
  if (keys.ok()) return keys;
  return WithPrefix(keys.status(), Concat(key, ": ", source));
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

absl::StatusOr<store::SqliteConfig> SqliteConfigOf(const Config& config, const Clock& clock,
                                                   telemetry::Logger& log) {
  store::SqliteConfig sqlite{.path = config.DatabasePath(), .key_file = config.OwnKeyFile()};
  sqlite.on_sealing_anew = [&log](const store::Resealing& resealing) { Tell(log, resealing); };
  const SecretsConfig& secrets = config.secrets;
  if (!secrets.key_command.empty()) {
    const auto output = CommandOutput(secrets.key_command, secrets.key_command_timeout, clock);
    ASSIGN_OR_RETURN(sqlite.keys, KeysIn(output, kCommandKey, "its output"));
    sqlite.keys_from = kCommandKey;
  } else if (!secrets.key_file.empty()) {
    const absl::StatusOr<Secret> text = ReadPrivateFile(secrets.key_file);
    ASSIGN_OR_RETURN(sqlite.keys, KeysIn(text, kFileKey, secrets.key_file));
    sqlite.keys_from = Concat(kFileKey, " (", secrets.key_file, ")");
  }
  return sqlite;
}

absl::Status CheckSealingKeys(const Config& config) {
  const std::string& path = config.secrets.key_file;
  if (path.empty()) return absl::OkStatus();
  return KeysIn(ReadPrivateFile(path), kFileKey, path).status();
}

}  // namespace fetchd::app
