#include "app/store_policy.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/strings.h"

namespace fetchd::app {
namespace {

/// Not link-local and not loopback. A rule for a block leaves the metadata services in it closed.
constexpr std::array kPrivateNetworks = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
                                         "100.64.0.0/10", "[fc00::]/7"};
constexpr std::array kLoopback = {"127.0.0.1/32", "[::1]/128"};
/// The environment says in which region STS is asked.
constexpr std::array kAmazonsNames = {"*.amazonaws.com", "*.amazonaws.com.cn"};
constexpr std::uint16_t kHttpsPort = 443;
constexpr std::uint16_t kMetadataPort = 80;

void AddOnPort(std::string_view what, std::uint16_t port, std::vector<std::string>& rules) {
  std::string rule = Concat(what, ':', port);
  if (std::ranges::find(rules, rule) == rules.end()) rules.push_back(std::move(rule));
}

void AddName(const std::string& name, bool subdomains, std::uint16_t port,
             std::vector<std::string>& rules) {
  AddOnPort(name, port, rules);
  if (subdomains) AddOnPort(Concat("*.", name), port, rules);
  const bool is_local = name == "localhost" || name.ends_with(".localhost");
  if (is_local) {
    for (const char* address : kLoopback) AddOnPort(address, port, rules);
  } else {
    for (const char* network : kPrivateNetworks) AddOnPort(network, port, rules);
  }
}

void AddEndpoint(const Url& endpoint, bool path_style, std::vector<std::string>& rules) {
  if (!endpoint.address()) {
    return AddName(endpoint.host(), !path_style, endpoint.port(), rules);
  }
  const bool is_v4 = endpoint.address()->is_v4();
  AddOnPort(is_v4 ? Concat(endpoint.host(), "/32") : Concat('[', endpoint.host(), "]/128"),
            endpoint.port(), rules);
}

bool AnyMayAsk(const StoreConfigs& stores, StoreCredentials source) {
  return std::ranges::any_of(stores,
                             [source](const auto& store) { return MayAsk(store.second, source); });
}

}  // namespace

std::vector<std::string> MetadataAddressesOf(const StoreConfigs& stores) {
  std::vector<std::string> addresses;
  if (AnyMayAsk(stores, StoreCredentials::kInstance)) addresses.push_back("169.254.169.254/32");
  if (AnyMayAsk(stores, StoreCredentials::kContainer)) {
    addresses.insert(addresses.end(),
                     {"169.254.170.2/32", "169.254.170.23/32", "[fd00:ec2::23]/128"});
  }
  return addresses;
}

egress::PolicyConfig StorePolicyOf(const Config& config) {
  egress::PolicyConfig policy = config.egress;
  policy.deny.clear();  // Of callers' URLs, which come near no store.
  for (const auto& [name, store] : config.stores) {
    const absl::StatusOr<Url> endpoint = EndpointOf(store);
    // The containers of Azure are in the path.
    const bool in_path = store.path_style || store.type == StoreType::kAzblob;
    if (endpoint.ok()) AddEndpoint(*endpoint, in_path, policy.allow);
    if (!MayAsk(store, StoreCredentials::kWebIdentity)) continue;
    for (const char* names : kAmazonsNames) AddOnPort(names, kHttpsPort, policy.allow);
    for (const char* network : kPrivateNetworks) AddOnPort(network, kHttpsPort, policy.allow);
  }
  if (config.callers.jwt.from_url()) {
    const absl::StatusOr<Url> keys = config.callers.jwt.KeysUrl();
    if (keys.ok()) AddEndpoint(*keys, /*path_style=*/true, policy.allow);
  }
  for (const std::string& address : MetadataAddressesOf(config.stores)) {
    AddOnPort(address, kMetadataPort, policy.allow);
  }
  return policy;
}

egress::TenantEgressRules StoreEgressOf(const egress::TenantEgressRules& tenants) {
  egress::TenantEgressRules rules;
  for (const auto& [tenant, said] : tenants) {
    rules[tenant].deny = said.deny;
  }
  return rules;
}

}  // namespace fetchd::app
