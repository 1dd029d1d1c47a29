// Credentials that the operator holds, and jobs name.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/secret.h"
#include "base/status.h"
#include "base/url.h"
#include "http/origin_rules.h"
#include "jobs/job.h"

namespace fetchd::fetch {

struct NamedSecret {
  Secret value;
  /// Where it may be sent; over plain http only by a pattern that names a port.
  std::vector<http::HostPattern> hosts;
  std::vector<std::string> tenants;  ///< Who may use it; "*" = all.
};

/// Names, hosts and tenants stay; values may be replaced. Thread-safe.
class NamedSecrets {
 public:
  NamedSecrets() = default;
  explicit NamedSecrets(std::map<std::string, NamedSecret> secrets)
      : secrets_(std::move(secrets)) {}

  /// Of one that there is.
  void Replace(const std::string& name, Secret value);

  /// May a job of `tenant` ask with what `spec` names? PERMISSION_DENIED, with the field:
  /// SECRET_NOT_ALLOWED in the same words whether there is no such secret or it is another
  /// tenant's; SECRET_NOT_FOR_HOST when it is not for the origin of the first URL.
  absl::Status Check(const jobs::FetchSpec& spec, const std::string& tenant,
                     UrlOptions options) const;

  /// What is sent now to `origin`. PERMISSION_DENIED when there is no such secret, or it is not for
  /// that origin. Who may use it is asked by Check.
  absl::StatusOr<Secret> ValueFor(const std::string& name, const Origin& origin) const;

 private:
  absl::Status CheckOne(const std::string& name, const std::string& tenant,
                        const std::string& field, const Origin& origin) const;

  mutable std::mutex mutex_;
  std::map<std::string, NamedSecret> secrets_;  // Values are guarded by mutex_.
};

}  // namespace fetchd::fetch
