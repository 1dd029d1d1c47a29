// Who may call, kept as the configuration's files say it now.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "app/jwt_keys.h"
#include "base/status.h"
#include "rpc/auth_callers.h"
#include "runtime/runtime.h"
#include "runtime/task_group.h"
#include "telemetry/log.h"

namespace fetchd::app {

struct CallersConfig {
  std::string file;  ///< Empty = there are no tokens and certificates that are known.
  JwtConfig jwt;
  /// Of each principal; 0 = no limit. More than a program that works sends one by one.
  std::uint64_t calls_per_sec = 1000;

  /// Else nobody is asked who calls.
  bool enabled() const { return !file.empty() || jwt.enabled(); }
};

/// Reads the file again every `interval`. What a new text says holds for calls that come from then
/// on; one that is of no use leaves what was there before, and is told in the log once. Owner: app;
/// lives on shard 0.
class Callers {
 public:
  /// References to services that outlive it.
  struct Deps {
    runtime::Runtime& runtime;
    Clock& clock;
    telemetry::Logger& log;
    http::SharedClient& client;
    bool certificates_are_asked_for;  ///< grpc.tls.client_ca_file.
  };
  /// FAILED_PRECONDITION or INVALID_ARGUMENT naming the key whose file is of no use. Blocking.
  static absl::StatusOr<std::unique_ptr<Callers>> Start(const CallersConfig& config,
                                                        Duration interval, Deps deps);
  ~Callers();
  Callers(const Callers&) = delete;
  Callers& operator=(const Callers&) = delete;

  const rpc::Authenticator& authenticator() const { return authenticator_; }

 private:
  Callers(const CallersConfig& config, Duration interval, Deps deps, std::unique_ptr<JwtKeys> keys);
  /// Of the file's text, where that is another one than before.
  absl::Status Take(const absl::StatusOr<std::string>& text);
  Task<absl::Status> Watch();

  const CallersConfig config_;
  const Duration interval_;
  const Deps deps_;
  const std::unique_ptr<JwtKeys> keys_;  ///< Null: no JWT is read.
  rpc::CallerAuthenticator authenticator_;
  std::string text_;   ///< As it was taken last.
  std::string error_;  ///< What was told last; empty: all is well.
  runtime::TaskGroup tasks_;
};

}  // namespace fetchd::app
