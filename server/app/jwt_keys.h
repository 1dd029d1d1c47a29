// The keys of the identity provider whose tokens callers show: from a file, or from a URL.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/status.h"
#include "base/url.h"
#include "http/shared_client.h"
#include "rpc/auth_jwt.h"
#include "rpc/waker.h"
#include "runtime/runtime.h"
#include "runtime/task_group.h"
#include "telemetry/log.h"

namespace fetchd::app {

struct JwtConfig {
  std::string keys;         ///< Path, or URL: a JSON Web Key Set. Empty = no JWT is read.
  std::string tls_profile;  ///< For the URL.
  Duration refresh_interval = std::chrono::minutes(5);  ///< Of the URL.
  rpc::JwtRules rules;

  bool enabled() const { return !keys.empty(); }
  bool from_url() const { return keys.find("://") != std::string::npos; }
  /// INVALID_ARGUMENT unless it is https, or http on this machine.
  absl::StatusOr<Url> KeysUrl() const;
  friend bool operator==(const JwtConfig&, const JwtConfig&) = default;
};

/// Reads the set again every `reload_interval` (a file) or refresh_interval (a URL), and soon when
/// a token names a key that is not in it, but no sooner than 5 s after the last time. A set that is
/// of no use, or not there, leaves the keys that there are, and is told in the log once. Owner:
/// Callers; lives on shard 0.
class JwtKeys {
 public:
  /// References to services that outlive it.
  struct Deps {
    runtime::Runtime& runtime;
    Clock& clock;
    telemetry::Logger& log;
    http::SharedClient& client;
  };
  /// A file must be there and of use: FAILED_PRECONDITION or INVALID_ARGUMENT. A URL is asked in
  /// the background: until it has answered, tokens are UNAVAILABLE. Blocking.
  static absl::StatusOr<std::unique_ptr<JwtKeys>> Start(const JwtConfig& config,
                                                        Duration reload_interval, Deps deps);
  ~JwtKeys();
  JwtKeys(const JwtKeys&) = delete;
  JwtKeys& operator=(const JwtKeys&) = delete;

  std::shared_ptr<const rpc::TokenReader> reader() const { return reader_; }

 private:
  JwtKeys(const JwtConfig& config, Duration reload_interval, Deps deps);
  absl::Status Take(const absl::StatusOr<std::string>& text);
  Task<absl::Status> WatchFile();
  Task<absl::Status> WatchUrl(Url url);
  Task<absl::StatusOr<std::string>> Ask(Url url);
  void Tell(const absl::Status& taken);

  const JwtConfig config_;
  const Duration reload_interval_;
  const Deps deps_;
  const std::shared_ptr<rpc::Waker> unknown_key_;
  const std::shared_ptr<rpc::JwtReader> reader_;
  std::string text_;   ///< As it was taken last.
  std::string error_;  ///< What was told last; empty: all is well.
  runtime::TaskGroup tasks_;
};

}  // namespace fetchd::app
