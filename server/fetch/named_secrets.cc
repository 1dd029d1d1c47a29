#include "fetch/named_secrets.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/strings.h"

namespace fetchd::fetch {
namespace {

bool IsFor(const NamedSecret& secret, const Origin& origin) {
  return std::ranges::any_of(secret.hosts, [&](const http::HostPattern& pattern) {
    const bool guarded = origin.scheme == "https" || pattern.names_port();
    return guarded && pattern.Matches(origin);
  });
}

bool IsOf(const NamedSecret& secret, const std::string& tenant) {
  return std::ranges::any_of(
      secret.tenants, [&](const std::string& name) { return name == "*" || name == tenant; });
}

bool NamesAny(const jobs::FetchSpec& spec) {
  const auto names = [](const jobs::RequestHeader& header) { return !header.secret.empty(); };
  return !spec.credentials_secret.empty() || std::ranges::any_of(spec.headers, names);
}

absl::Status NotAllowed(const std::string& name, const std::string& tenant) {
  return WithReason(
      absl::PermissionDeniedError(Concat("the tenant \"", tenant, "\" has no secret \"", name,
                                         "\"; an operator grants it in secrets.named.<name>"
                                         ".tenants")),
      {"SECRET_NOT_ALLOWED", {}});
}

absl::Status NotForHost(const std::string& name, const Origin& origin) {
  const char* const plain =
      origin.scheme == "http" ? "; over plain http the entry has to name the port" : "";
  return WithReason(
      absl::PermissionDeniedError(Concat("the secret \"", name, "\" is not for ", origin.ToString(),
                                         " (secrets.named.<name>.hosts", plain, ")")),
      {"SECRET_NOT_FOR_HOST", {}});
}

}  // namespace

void NamedSecrets::Replace(const std::string& name, Secret value) {
  const auto found = secrets_.find(name);
  FETCHD_CHECK(found != secrets_.end());
  const std::lock_guard lock(mutex_);
  found->second.value = std::move(value);
}

absl::Status NamedSecrets::CheckOne(const std::string& name, const std::string& tenant,
                                    const std::string& field, const Origin& origin) const {
  if (name.empty()) return absl::OkStatus();
  const auto found = secrets_.find(name);
  absl::Status refused;
  if (found == secrets_.end() || !IsOf(found->second, tenant)) {
    refused = NotAllowed(name, tenant);
  } else if (!IsFor(found->second, origin)) {
    refused = NotForHost(name, origin);
  } else {
    return absl::OkStatus();
  }
  return WithField(refused, {field, MessageOf(refused)});
}

absl::Status NamedSecrets::Check(const jobs::FetchSpec& spec, const std::string& tenant,
                                 UrlOptions options) const {
  if (!NamesAny(spec)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Url url, Url::ParseSource(spec.urls.front(), options));
  for (std::size_t i = 0; i < spec.headers.size(); ++i) {
    RETURN_IF_ERROR(CheckOne(spec.headers[i].secret, tenant, Concat("spec.headers[", i, "].secret"),
                             url.origin()));
  }
  return CheckOne(spec.credentials_secret, tenant, "spec.credentials", url.origin());
}

absl::StatusOr<Secret> NamedSecrets::ValueFor(const std::string& name, const Origin& origin) const {
  const auto found = secrets_.find(name);
  if (found == secrets_.end() || !IsFor(found->second, origin)) return NotForHost(name, origin);
  const std::lock_guard lock(mutex_);
  return found->second.value;
}

}  // namespace fetchd::fetch
