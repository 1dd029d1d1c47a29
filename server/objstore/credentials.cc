#include "objstore/credentials.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "runtime/runtime.h"

namespace fetchd::objstore {
namespace {

bool FitsAHeader(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

absl::Status Check(const AwsCredentials& credentials) {
  const std::string& id = credentials.access_key_id;
  if (id.empty()) return absl::InvalidArgumentError("the access key id is empty");
  if (credentials.secret_access_key.empty()) {
    return absl::InvalidArgumentError("the secret access key is empty");
  }
  // They delimit the credential's scope.
  const bool scoped = id.find_first_of("/,") == std::string::npos;
  if (!scoped || !FitsAHeader(id)) {
    return absl::InvalidArgumentError("the access key id has a character that no id has");
  }
  if (!FitsAHeader(credentials.session_token.Reveal())) {
    return absl::InvalidArgumentError("the session token has a character that no token has");
  }
  return absl::OkStatus();
}

CachedCredentials::CachedCredentials(asio::any_io_executor home, Clock& clock,
                                     std::unique_ptr<CredentialsProvider> provider)
    : home_(std::move(home)), clock_(clock), provider_(std::move(provider)) {}

std::optional<CachedCredentials::Held> CachedCredentials::held() const {
  const std::lock_guard lock(mutex_);
  return held_;
}

CachedCredentials::Age CachedCredentials::AgeOf(const std::optional<Held>& held) const {
  if (!held) return Age::kUseless;
  const auto& expires_at = held->credentials.expires_at;
  const bool old = clock_.Now() - held->fetched_at >= kLongest;
  if (!expires_at) return old ? Age::kAging : Age::kFresh;
  const auto left = *expires_at - clock_.WallNow();
  if (left <= kLate) return Age::kUseless;
  return left <= kEarly ? Age::kAging : Age::kFresh;
}

Task<absl::StatusOr<AwsCredentials>> CachedCredentials::Get() {
  std::optional<Held> present = held();
  const Age age = AgeOf(present);
  if (age == Age::kFresh) co_return std::move(present->credentials);
  if (age == Age::kUseless) co_return co_await WaitAndRefresh();
  const Permit turn = turn_.TryAcquire(1);
  if (!turn) co_return std::move(present->credentials);
  auto fresh = co_await Refresh();
  if (fresh.ok()) co_return fresh;
  co_return std::move(present->credentials);
}

Task<absl::StatusOr<AwsCredentials>> CachedCredentials::WaitAndRefresh() {
  std::uint64_t fetches_before = 0;
  {
    const std::lock_guard lock(mutex_);
    fetches_before = fetches_;
  }
  const Deadline deadline = Deadline::After(clock_, 2 * kFetchTimeout);
  CO_ASSIGN_OR_RETURN(const Permit turn,
                      co_await turn_.Acquire(1, clock_, deadline, "credentials of the store"));
  std::optional<Held> present;
  {
    const std::lock_guard lock(mutex_);
    // One that began while this one waited, and has failed, speaks for it.
    if (fetches_ != fetches_before && !last_failure_.ok()) co_return last_failure_;
    present = held_;
  }
  if (AgeOf(present) != Age::kUseless) co_return std::move(present->credentials);
  co_return co_await Refresh();
}

Task<absl::StatusOr<AwsCredentials>> CachedCredentials::Refresh() {
  const Deadline deadline = Deadline::After(clock_, kFetchTimeout);
  auto fetched = co_await WithDeadline(clock_, deadline, "credentials of the store",
                                       runtime::OnShard(home_, provider_->Fetch()));
  if (fetched.ok()) {
    if (absl::Status checked = Check(*fetched); !checked.ok()) fetched = std::move(checked);
  }
  const std::lock_guard lock(mutex_);
  ++fetches_;
  last_failure_ = fetched.status();
  if (fetched.ok()) held_ = Held{*fetched, clock_.Now()};
  co_return fetched;
}

void CachedCredentials::Forget(const AwsCredentials& credentials) {
  const std::lock_guard lock(mutex_);
  if (held_ && held_->credentials == credentials) held_.reset();
}

}  // namespace fetchd::objstore
