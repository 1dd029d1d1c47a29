// Keys of a store: whose requests are.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/secret.h"
#include "base/semaphore.h"
#include "base/status.h"
#include "base/time.h"

namespace fetchd::objstore {

struct AwsCredentials {
  std::string access_key_id;
  Secret secret_access_key;
  Secret session_token;                ///< Empty with keys that do not expire.
  std::optional<WallTime> expires_at;  ///< Absent: never.
  friend bool operator==(const AwsCredentials&, const AwsCredentials&) = default;
};

/// INVALID_ARGUMENT that says what is wrong and repeats nothing: an id or secret that is empty or
/// could not stand in a header.
absl::Status Check(const AwsCredentials& credentials);

/// Gets credentials anew each time: from a file, a token service, ... Lives on one shard.
class CredentialsProvider {
 public:
  virtual ~CredentialsProvider() = default;
  /// NOT_FOUND: there are none in this place, look in another. All else is an error there.
  virtual Task<absl::StatusOr<AwsCredentials>> Fetch() = 0;
};

/// What stores ask before each request. Thread-safe; completes on the caller's shard.
class CredentialsSource {
 public:
  virtual ~CredentialsSource() = default;
  virtual Task<absl::StatusOr<AwsCredentials>> Get() = 0;
  /// The store said that these have expired: they are not given out again.
  virtual void Forget(const AwsCredentials& credentials) = 0;
};

class StaticCredentials final : public CredentialsSource {
 public:
  explicit StaticCredentials(AwsCredentials credentials) : credentials_(std::move(credentials)) {}
  Task<absl::StatusOr<AwsCredentials>> Get() override { co_return credentials_; }
  void Forget(const AwsCredentials&) override {}

 private:
  const AwsCredentials credentials_;
};

/// Keeps what a provider brings until shortly before it expires. One fetch is in flight, on the
/// shard `home`; while it is, those for whom the present ones still do get these. A fetch that
/// fails is an error to those who waited for it, and the next to ask tries again, unless the
/// present credentials still hold.
class CachedCredentials final : public CredentialsSource {
 public:
  /// Time before the expiry at which others are fetched; the last of it is not used any more.
  static constexpr std::chrono::minutes kEarly{5};
  static constexpr std::chrono::seconds kLate{30};
  /// One fetch, with all its attempts and with every place that is looked at.
  static constexpr std::chrono::seconds kFetchTimeout{30};
  /// Those that have no expiry are fetched anew after this: files change.
  static constexpr std::chrono::minutes kLongest{15};

  /// `clock` is thread-safe where more than one shard asks.
  CachedCredentials(asio::any_io_executor home, Clock& clock,
                    std::unique_ptr<CredentialsProvider> provider);

  Task<absl::StatusOr<AwsCredentials>> Get() override;
  void Forget(const AwsCredentials& credentials) override;

 private:
  struct Held {
    AwsCredentials credentials;
    SteadyTime fetched_at;
  };
  enum class Age { kFresh, kAging, kUseless };

  Age AgeOf(const std::optional<Held>& held) const;
  std::optional<Held> held() const;
  Task<absl::StatusOr<AwsCredentials>> Refresh();
  Task<absl::StatusOr<AwsCredentials>> WaitAndRefresh();

  const asio::any_io_executor home_;
  Clock& clock_;
  const std::unique_ptr<CredentialsProvider> provider_;
  Semaphore turn_{1};  ///< To fetch.
  mutable std::mutex mutex_;
  std::optional<Held> held_;
  std::uint64_t fetches_ = 0;  ///< That have ended.
  absl::Status last_failure_;  ///< Of the last of them.
};

}  // namespace fetchd::objstore
