#include <utility>

#include "base/strings.h"
#include "objstore/remote_credentials.h"

namespace fetchd::objstore {

Task<absl::StatusOr<AwsCredentials>> CredentialsChain::Fetch() {
  std::string tried;
  for (const Link& link : links_) {
    auto credentials = co_await link.provider->Fetch();
    if (credentials.ok()) co_return credentials;
    if (!absl::IsNotFound(credentials.status())) {
      co_return WithPrefix(credentials.status(), Concat("credentials of the ", link.name));
    }
    tried += Concat(tried.empty() ? "" : "; ", link.name, ": ", MessageOf(credentials.status()));
  }
  co_return absl::NotFoundError(Concat("no credentials anywhere (", tried, ")"));
}

absl::StatusOr<std::unique_ptr<CredentialsProvider>> DefaultCredentialsChain(
    const Environment& environment, const CredentialsServices& services) {
  std::vector<CredentialsChain::Link> links;
  const auto add = [&links](const char* name, std::unique_ptr<CredentialsProvider> provider) {
    links.push_back({name, std::move(provider)});
  };
  add("environment", std::make_unique<EnvironmentCredentials>(environment));
  ASSIGN_OR_RETURN(auto web_identity, WebIdentityCredentials::From(environment));
  if (web_identity) {
    add("web identity",
        std::make_unique<WebIdentityCredentials>(*std::move(web_identity), services));
  }
  add("profile",
      std::make_unique<ProfileCredentials>(ProfileFiles::From(environment), services.pool));
  ASSIGN_OR_RETURN(auto container, ContainerCredentials::From(environment));
  if (container) {
    add("container", std::make_unique<ContainerCredentials>(*std::move(container), services));
  }
  ASSIGN_OR_RETURN(auto instance, InstanceCredentials::From(environment));
  if (instance) {
    add("instance", std::make_unique<InstanceCredentials>(*std::move(instance), services));
  }
  return std::make_unique<CredentialsChain>(std::move(links));
}

}  // namespace fetchd::objstore
