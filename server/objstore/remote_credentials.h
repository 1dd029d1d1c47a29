// Credentials that a service gives out for a time: AWS's token service, and the metadata services
// of containers and instances.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/retry_policy.h"
#include "http/client.h"
#include "objstore/answer.h"
#include "objstore/local_credentials.h"

namespace fetchd::objstore {

/// What all of them use. Lives, like these, on the shard of `client`; all outlives them. The egress
/// policy that guards `client` must admit the services: metadata services have link-local
/// addresses.
struct CredentialsServices {
  http::Client& client;
  runtime::BlockingPool& pool;
  Clock& clock;
  std::function<double()> uniform;
  RetryConfig retry = {.max_attempts = 3, .max_delay = std::chrono::seconds(5)};
};

/// AssumeRoleWithWebIdentity: a file holds a token that says who we are (EKS service accounts),
/// read anew each time.
class WebIdentityCredentials final : public CredentialsProvider {
 public:
  struct Config {
    std::filesystem::path token_file;  ///< AWS_WEB_IDENTITY_TOKEN_FILE
    std::string role_arn;              ///< AWS_ROLE_ARN
    std::string session_name;          ///< AWS_ROLE_SESSION_NAME, else "fetchd".
    Url endpoint;                      ///< Of STS in AWS_REGION (else AWS_DEFAULT_REGION, global).
  };
  /// nullopt: not set. INVALID_ARGUMENT: half of it, or no region's name.
  static absl::StatusOr<std::optional<Config>> From(const Environment& environment);

  WebIdentityCredentials(Config config, CredentialsServices services)
      : config_(std::move(config)), services_(std::move(services)) {}
  Task<absl::StatusOr<AwsCredentials>> Fetch() override;

 private:
  const Config config_;
  const CredentialsServices services_;
};

/// The endpoint of ECS tasks and of EKS Pod Identity.
class ContainerCredentials final : public CredentialsProvider {
 public:
  struct Config {
    Url endpoint;  ///< AWS_CONTAINER_CREDENTIALS_RELATIVE_URI at 169.254.170.2, else ..._FULL_URI.
    Secret token;  ///< AWS_CONTAINER_AUTHORIZATION_TOKEN
    std::filesystem::path token_file;  ///< ..._TOKEN_FILE; goes before `token`.
  };
  /// nullopt: not set. INVALID_ARGUMENT: not a URL, or http to another host than loopback and the
  /// addresses of ECS and EKS.
  static absl::StatusOr<std::optional<Config>> From(const Environment& environment);

  ContainerCredentials(Config config, CredentialsServices services)
      : config_(std::move(config)), services_(std::move(services)) {}
  Task<absl::StatusOr<AwsCredentials>> Fetch() override;

 private:
  const Config config_;
  const CredentialsServices services_;
};

/// Instance metadata (IMDSv2 only): the role of the machine.
class InstanceCredentials final : public CredentialsProvider {
 public:
  struct Config {
    Url endpoint;  ///< AWS_EC2_METADATA_SERVICE_ENDPOINT, else http://169.254.169.254.
  };
  /// nullopt: AWS_EC2_METADATA_DISABLED is "true".
  static absl::StatusOr<std::optional<Config>> From(const Environment& environment);

  InstanceCredentials(Config config, CredentialsServices services)
      : config_(std::move(config)), services_(std::move(services)) {}
  /// NOT_FOUND: no such service (nothing answers in a second), or no role.
  Task<absl::StatusOr<AwsCredentials>> Fetch() override;

 private:
  /// With the session's token, where there is one.
  Task<absl::StatusOr<Answer>> Read(std::string path, Secret token);

  const Config config_;
  const CredentialsServices services_;
};

/// Asks one after the other; the first that has any speaks. NOT_FOUND that names each: none has.
class CredentialsChain final : public CredentialsProvider {
 public:
  struct Link {
    std::string name;  ///< "environment"
    std::unique_ptr<CredentialsProvider> provider;
  };
  explicit CredentialsChain(std::vector<Link> links) : links_(std::move(links)) {}
  Task<absl::StatusOr<AwsCredentials>> Fetch() override;

  const std::vector<Link>& links() const { return links_; }

 private:
  const std::vector<Link> links_;
};

/// In the order of AWS's own tools: environment, web identity, profile, container, instance; of
/// those that need settings, those that have them. INVALID_ARGUMENT: settings that are wrong.
absl::StatusOr<std::unique_ptr<CredentialsProvider>> DefaultCredentialsChain(
    const Environment& environment, const CredentialsServices& services);

// Of answers, for tests and fuzzing. DATA_LOSS: not what such an answer is.

absl::StatusOr<AwsCredentials> ReadStsCredentials(std::string_view xml);
/// {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"} of a metadata service.
absl::StatusOr<AwsCredentials> ReadMetadataCredentials(std::string_view json);

}  // namespace fetchd::objstore
