#include "app/callers.h"

#include <utility>

#include "app/callers_file.h"
#include "app/credential_files.h"

namespace fetchd::app {
namespace {

constexpr char kFileKey[] = "callers.file";

}  // namespace

absl::StatusOr<std::unique_ptr<Callers>> Callers::Start(const CallersConfig& config,
                                                        Duration interval, Deps deps) {
  std::unique_ptr<JwtKeys> keys;
  if (config.jwt.enabled()) {
    ASSIGN_OR_RETURN(keys, JwtKeys::Start(config.jwt, interval,
                                          {deps.runtime, deps.clock, deps.log, deps.client}));
  }
  std::unique_ptr<Callers> callers(new Callers(config, interval, deps, std::move(keys)));
  if (config.file.empty()) return callers;
  RETURN_IF_ERROR(callers->Take(ReadGuardedFile(config.file)));
  callers->tasks_.Spawn("callers", callers->Watch());
  return callers;
}

Callers::Callers(const CallersConfig& config, Duration interval, Deps deps,
                 std::unique_ptr<JwtKeys> keys)
    : config_(config),
      interval_(interval),
      deps_(deps),
      keys_(std::move(keys)),
      authenticator_(keys_ ? keys_->reader() : nullptr),
      tasks_(deps.runtime.shard(0).executor()) {}

Callers::~Callers() {
  tasks_.Cancel();
  runtime::RunBlocking(deps_.runtime.shard(0).executor(), tasks_.Join());
}

absl::Status Callers::Take(const absl::StatusOr<std::string>& text) {
  if (!text.ok()) return WithPrefix(text.status(), kFileKey);
  if (*text == text_) return absl::OkStatus();
  auto parsed = ParseCallers(*text, config_.file);
  if (!parsed.ok()) return WithPrefix(parsed.status(), kFileKey);
  deps_.log.Info("callers known", {{"tokens", parsed->tokens.size()},
                                   {"certificates", parsed->certificates.size()}});
  if (!parsed->certificates.empty() && !deps_.certificates_are_asked_for) {
    deps_.log.Warning("callers known by certificates cannot call: no certificate is asked for",
                      {{"needs", "grpc.tls.client_ca_file"}});
  }
  authenticator_.Replace(*std::move(parsed));
  text_ = *text;
  return absl::OkStatus();
}

Task<absl::Status> Callers::Watch() {
  while (true) {
    co_await deps_.clock.SleepFor(interval_);
    const absl::StatusOr<std::string> text = co_await deps_.runtime.blocking().Run(
        [path = config_.file] { return ReadGuardedFile(path); });
    const absl::Status taken = Take(text);
    std::string error = taken.ok() ? std::string() : MessageOf(taken);
    if (error == error_) continue;
    error_ = std::move(error);
    if (!taken.ok()) deps_.log.Error("callers stay as they were", {{"error", error_}});
  }
}

}  // namespace fetchd::app
