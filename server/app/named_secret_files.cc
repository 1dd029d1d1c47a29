#include "app/named_secret_files.h"

#include <utility>

#include "app/credential_files.h"
#include "base/strings.h"

namespace fetchd::app {
namespace {

std::string KeyOf(const std::string& name, const char* key) {
  return Concat("secrets.named.", name, '.', key);
}

constexpr std::size_t kMaxBytes = 8192;  // As a header; origins take hardly more.

absl::StatusOr<Secret> ReadValue(const std::string& path) {
  ASSIGN_OR_RETURN(Secret value, ReadSecretFile(path));
  if (value.Reveal().size() <= kMaxBytes) return value;
  return absl::FailedPreconditionError(
      Concat(path, ": is longer than ", kMaxBytes, " bytes, which no origin takes in a header"));
}

absl::StatusOr<fetch::NamedSecret> ReadOne(const std::string& name,
                                           const NamedSecretConfig& config) {
  fetch::NamedSecret secret{.tenants = config.tenants};
  absl::StatusOr<Secret> value = ReadValue(config.file);
  if (!value.ok()) return WithPrefix(value.status(), KeyOf(name, "file"));
  secret.value = *std::move(value);
  for (const std::string& host : config.hosts) {
    absl::StatusOr<http::HostPattern> pattern = http::HostPattern::Parse(host);
    if (!pattern.ok()) return WithPrefix(pattern.status(), KeyOf(name, "hosts"));
    secret.hosts.push_back(*std::move(pattern));
  }
  return secret;
}

}  // namespace

absl::StatusOr<std::map<std::string, fetch::NamedSecret>> ReadNamedSecrets(
    const SecretsConfig& config) {
  std::map<std::string, fetch::NamedSecret> secrets;
  for (const auto& [name, one] : config.named) {
    ASSIGN_OR_RETURN(secrets[name], ReadOne(name, one));
  }
  return secrets;
}

absl::StatusOr<std::unique_ptr<NamedSecretFiles>> NamedSecretFiles::Start(
    const SecretsConfig& config, Duration interval, Deps deps) {
  ASSIGN_OR_RETURN(auto secrets, ReadNamedSecrets(config));
  std::map<std::string, std::string> paths;
  for (const auto& [name, one] : config.named) paths[name] = one.file;
  std::unique_ptr<NamedSecretFiles> files(new NamedSecretFiles(
      std::move(paths), interval, deps, std::make_shared<fetch::NamedSecrets>(std::move(secrets))));
  if (!files->paths_.empty()) files->tasks_.Spawn("named secrets", files->Watch());
  return files;
}

NamedSecretFiles::NamedSecretFiles(std::map<std::string, std::string> paths, Duration interval,
                                   Deps deps, std::shared_ptr<fetch::NamedSecrets> secrets)
    : paths_(std::move(paths)),
      interval_(interval),
      deps_(deps),
      secrets_(std::move(secrets)),
      tasks_(deps.runtime.shard(0).executor()) {}

NamedSecretFiles::~NamedSecretFiles() {
  tasks_.Cancel();
  runtime::RunBlocking(deps_.runtime.shard(0).executor(), tasks_.Join());
}

void NamedSecretFiles::Take(const std::string& name, absl::StatusOr<Secret> value) {
  if (value.ok()) {
    errors_.erase(name);
    return secrets_->Replace(name, *std::move(value));
  }
  std::string error = MessageOf(value.status());
  std::string& told = errors_[name];
  if (error == told) return;
  told = std::move(error);
  deps_.log.Error("a named secret stays as it was", {{"secret", name}, {"error", told}});
}

Task<absl::Status> NamedSecretFiles::Watch() {
  while (true) {
    co_await deps_.clock.SleepFor(interval_);
    for (const auto& [name, path] : paths_) {
      absl::StatusOr<Secret> value =
          co_await deps_.runtime.blocking().Run([file = path] { return ReadValue(file); });
      Take(name, std::move(value));
    }
  }
}

}  // namespace fetchd::app
