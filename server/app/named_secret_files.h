// The secrets that jobs name, kept as the configuration's files say them now.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "app/secrets_config.h"
#include "base/status.h"
#include "fetch/named_secrets.h"
#include "runtime/runtime.h"
#include "runtime/task_group.h"
#include "telemetry/log.h"

namespace fetchd::app {

/// Reads the files again every `interval`. Requests from then on go out with what they hold; a file
/// that is of no use leaves what was there before, and is told in the log once. Owner: app; lives
/// on shard 0.
class NamedSecretFiles {
 public:
  /// References to services that outlive it.
  struct Deps {
    runtime::Runtime& runtime;
    Clock& clock;
    telemetry::Logger& log;
  };
  /// FAILED_PRECONDITION or INVALID_ARGUMENT naming the key that is of no use. Blocking.
  static absl::StatusOr<std::unique_ptr<NamedSecretFiles>> Start(const SecretsConfig& config,
                                                                 Duration interval, Deps deps);
  ~NamedSecretFiles();
  NamedSecretFiles(const NamedSecretFiles&) = delete;
  NamedSecretFiles& operator=(const NamedSecretFiles&) = delete;

  std::shared_ptr<const fetch::NamedSecrets> secrets() const { return secrets_; }

 private:
  NamedSecretFiles(std::map<std::string, std::string> paths, Duration interval, Deps deps,
                   std::shared_ptr<fetch::NamedSecrets> secrets);
  Task<absl::Status> Watch();
  void Take(const std::string& name, absl::StatusOr<Secret> value);

  const std::map<std::string, std::string> paths_;  ///< By name.
  const Duration interval_;
  const Deps deps_;
  const std::shared_ptr<fetch::NamedSecrets> secrets_;
  std::map<std::string, std::string> errors_;  ///< By name, as told last; of those that have one.
  runtime::TaskGroup tasks_;
};

/// As Start, without keeping anything.
absl::StatusOr<std::map<std::string, fetch::NamedSecret>> ReadNamedSecrets(
    const SecretsConfig& config);

}  // namespace fetchd::app
