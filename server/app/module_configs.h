// What single modules are given of a configuration, where that is more than a part of it, and what
// it takes of the machine.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "app/config.h"
#include "base/status.h"

namespace fetchd::app {

/// To origins, and those that the stores need so that origins cannot have them all.
std::size_t AllConnections(const Config& config);

/// With windows that let every transfer have its share of the buffers' bytes, and no more. Reads
/// the files of credentials.
absl::StatusOr<http::ClientConfig> ClientConfigOf(const Config& config);

/// The default, named "", among them.
std::map<std::string, net::TlsProfile> AllProfiles(const Config& config);

/// Connections of callers: as many as are wanted, or as `file_limit` leaves.
rpc::ConnectionLimits CallerConnectionsOf(const Config& config, std::uint64_t file_limit);

fetch::EngineConfig EngineConfigOf(const Config& config, http::OriginRules rules);

egress::TenantEgressRules TenantEgressOf(const Config& config);

/// Raises the limit on file descriptors and returns it. FAILED_PRECONDITION: the caps do not fit.
absl::StatusOr<std::uint64_t> FileLimitFor(const Config& config);

/// FAILED_PRECONDITION naming the key of grpc.tls whose file is of no use.
absl::Status CheckServerTls(const rpc::ServerTls& tls);

/// What a configuration asks of this machine and a start would not find: descriptors, trust files,
/// secrets. Makes nothing. Empty when all is there.
std::vector<std::string> CheckMachine(const Config& config);

}  // namespace fetchd::app
