#include "app/jwt_keys.h"

#include <utility>

#include "app/credential_files.h"
#include "base/strings.h"
#include "objstore/answer.h"

namespace fetchd::app {
namespace {

constexpr char kKey[] = "callers.jwt.keys";
constexpr std::size_t kMostSetBytes = std::size_t{1} << 20;
/// Between two questions: tokens with made-up keys are no way to have the issuer asked often.
constexpr Duration kLeastPause = std::chrono::seconds(5);
constexpr Duration kAnswerTimeout = std::chrono::seconds(30);

bool IsThisMachine(const Url& url) {
  return url.address() ? url.address()->is_loopback() : url.host() == "localhost";
}

}  // namespace

absl::StatusOr<Url> JwtConfig::KeysUrl() const {
  ASSIGN_OR_RETURN(Url url, Url::Parse(keys));
  if (url.is_https() || IsThisMachine(url)) return url;
  return absl::InvalidArgumentError(
      "expects https: whoever changes the keys on their way lets "
      "himself in");
}

absl::StatusOr<std::unique_ptr<JwtKeys>> JwtKeys::Start(const JwtConfig& config,
                                                        Duration reload_interval, Deps deps) {
  std::unique_ptr<JwtKeys> keys(new JwtKeys(config, reload_interval, deps));
  if (config.from_url()) {
    ASSIGN_OR_RETURN(Url url, config.KeysUrl());
    keys->tasks_.Spawn("keys of tokens", keys->WatchUrl(std::move(url)));
    return keys;
  }
  RETURN_IF_ERROR(keys->Take(ReadGuardedFile(config.keys)));
  keys->tasks_.Spawn("keys of tokens", keys->WatchFile());
  return keys;
}

JwtKeys::JwtKeys(const JwtConfig& config, Duration reload_interval, Deps deps)
    : config_(config),
      reload_interval_(reload_interval),
      deps_(deps),
      unknown_key_(std::make_shared<rpc::Waker>(deps.runtime.shard(0).executor())),
      reader_(std::make_shared<rpc::JwtReader>(config.rules, deps.clock,
                                               [waker = unknown_key_] { waker->Ring(); })),
      tasks_(deps.runtime.shard(0).executor()) {}

JwtKeys::~JwtKeys() {
  tasks_.Cancel();
  runtime::RunBlocking(deps_.runtime.shard(0).executor(), tasks_.Join());
}

absl::Status JwtKeys::Take(const absl::StatusOr<std::string>& text) {
  if (!text.ok()) return WithPrefix(text.status(), kKey);
  if (*text == text_) return absl::OkStatus();
  const absl::Status replaced = reader_->ReplaceKeys(*text);
  if (!replaced.ok()) return WithPrefix(replaced, kKey);
  text_ = *text;
  deps_.log.Info("keys of tokens are known", {{"keys", config_.keys}});
  return absl::OkStatus();
}

void JwtKeys::Tell(const absl::Status& taken) {
  std::string error = taken.ok() ? std::string() : MessageOf(taken);
  if (error == error_) return;
  error_ = std::move(error);
  if (!taken.ok()) deps_.log.Error("keys of tokens stay as they were", {{"error", error_}});
}

Task<absl::Status> JwtKeys::WatchFile() {
  while (true) {
    co_await deps_.clock.SleepFor(reload_interval_);
    const absl::StatusOr<std::string> text = co_await deps_.runtime.blocking().Run(
        [path = config_.keys] { return ReadGuardedFile(path); });
    Tell(Take(text));
  }
}

Task<absl::Status> JwtKeys::WatchUrl(Url url) {
  while (true) {
    const absl::StatusOr<std::string> text = co_await Ask(url);
    const absl::Status taken = Take(text);
    Tell(taken);
    co_await deps_.clock.SleepFor(kLeastPause);
    if (!taken.ok()) continue;
    const Deadline next = Deadline::After(deps_.clock, config_.refresh_interval);
    // Woken or not: it is time.
    const absl::StatusOr<bool> woken =
        co_await WithDeadline(deps_.clock, next, "refresh", unknown_key_->Wait());
    if (!woken.ok() && !absl::IsDeadlineExceeded(woken.status())) co_return woken.status();
  }
}

Task<absl::StatusOr<std::string>> JwtKeys::Ask(Url url) {
  http::Request request(std::move(url));
  request.tls_profile = config_.tls_profile;
  request.headers = {{"Accept", "application/jwk-set+json, application/json"}};
  http::Call call;
  call.deadline = Deadline::After(deps_.clock, kAnswerTimeout);
  auto answer =
      co_await objstore::Ask(deps_.client.ForStores(0), std::move(request), call, kMostSetBytes);
  if (!answer.ok()) co_return answer.status();
  if (answer->status != 200) {
    co_return absl::UnavailableError(Concat("the issuer answered HTTP ", answer->status));
  }
  co_return std::move(answer->body);
}

}  // namespace fetchd::app
