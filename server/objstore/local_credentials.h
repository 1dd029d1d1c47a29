// Credentials that are on this machine: in the environment and in AWS's files.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "objstore/credentials.h"
#include "runtime/blocking_pool.h"

namespace fetchd::objstore {

/// An environment variable; nullopt where it is unset or empty.
using Environment = std::function<std::optional<std::string>(const char* name)>;
std::optional<std::string> ProcessEnvironment(const char* name);

/// A small file, read on the pool. NOT_FOUND: there is none. PERMISSION_DENIED,
/// INVALID_ARGUMENT (more than 1 MiB) and the like otherwise; messages name the file.
Task<absl::StatusOr<std::string>> ReadSmallFile(runtime::BlockingPool& pool,
                                                std::filesystem::path path);

/// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN. NOT_FOUND when neither of the
/// first two is set, INVALID_ARGUMENT when only one is.
class EnvironmentCredentials final : public CredentialsProvider {
 public:
  explicit EnvironmentCredentials(Environment environment) : environment_(std::move(environment)) {}
  Task<absl::StatusOr<AwsCredentials>> Fetch() override;

 private:
  const Environment environment_;
};

/// Where AWS's files are, and which profile of them is meant.
struct ProfileFiles {
  std::filesystem::path credentials;  ///< "[name]"
  std::filesystem::path config;       ///< "[profile name]", but "[default]"
  std::string profile = "default";
  /// Asked for by name: then that there is none is an error, and not NOT_FOUND.
  bool named = false;

  /// AWS_SHARED_CREDENTIALS_FILE, AWS_CONFIG_FILE and AWS_PROFILE, else ~/.aws (HOME) and
  /// "default".
  static ProfileFiles From(const Environment& environment);
};

/// aws_access_key_id, aws_secret_access_key and aws_session_token of a profile; the credentials
/// file goes first. A profile that gets its keys in other ways (role_arn, sso_session,
/// credential_process) is not supported: FAILED_PRECONDITION that says so.
class ProfileCredentials final : public CredentialsProvider {
 public:
  ProfileCredentials(ProfileFiles files, runtime::BlockingPool& pool)
      : files_(std::move(files)), pool_(pool) {}
  Task<absl::StatusOr<AwsCredentials>> Fetch() override;

 private:
  /// Those of one file; NOT_FOUND: no such file or profile.
  Task<absl::StatusOr<AwsCredentials>> FetchFrom(std::filesystem::path path, std::string section);

  const ProfileFiles files_;
  runtime::BlockingPool& pool_;
};

}  // namespace fetchd::objstore
