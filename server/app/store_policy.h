// Where the operator's stores of objects and the keys of his identity provider are, for the egress
// policy.
#pragma once

#include <string>
#include <vector>

#include "app/config.h"
#include "egress/tenant_policies.h"

namespace fetchd::app {

/// What http::SharedClient::ForStores may contact: what callers' URLs may, and besides for each
/// store
///  * its endpoint on its port: an address; or the name, without path_style the names below it
///    too, on private networks as well, where MinIO, Ceph and the interface endpoints of a VPC
///    are. localhost is this machine;
///  * the identity provider's keys (callers.jwt.keys), on their port;
///  * STS, as Amazon's names over https, where its keys may come from a web identity;
///  * the metadata services that hand out keys, where its keys may come from them: `auto` is one
///    of those cases. They open here alone, for URLs that are written in this program or that the
///    operator's environment holds (AWS_CONTAINER_CREDENTIALS_FULL_URI); no caller's URL is judged
///    by this policy.
/// Endpoints are valid: see CheckStores. Pure.
egress::PolicyConfig StorePolicyOf(const Config& config);

/// What of the tenants' rules holds where objects are fetched for them from stores that are
/// sources: deny rules, whatever the mode. The operator's stores open nothing to a tenant, and no
/// tenant's mode opens anything of them.
egress::TenantEgressRules StoreEgressOf(const egress::TenantEgressRules& tenants);

/// The addresses of the metadata services that the stores' keys may come from. No proxy leads to
/// them: they answer to this machine alone.
std::vector<std::string> MetadataAddressesOf(const StoreConfigs& stores);

}  // namespace fetchd::app
