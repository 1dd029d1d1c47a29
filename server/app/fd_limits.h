// File descriptors: the limit is raised as far as it goes, and the caps have to fit into it.
#pragma once

#include <cstdint>

#include "base/status.h"

namespace fetchd::app {

/// Raises the soft RLIMIT_NOFILE to the hard one. Returns what holds then.
absl::StatusOr<std::uint64_t> RaiseFileLimit();

struct Connections {
  std::uint64_t to_origins = 0;  ///< limits.connections
  std::uint64_t to_stores = 0;   ///< Besides: see ConnectionsFor.
};

/// FAILED_PRECONDITION with the numbers when all connections are more than 80 % of what
/// `file_limit` leaves beside the process's own descriptors (log, database, threads, API clients),
/// the spare sockets of connects (net/connect_race.h), and a file and its directory for each
/// transfer.
absl::Status CheckFileLimit(std::uint64_t file_limit, Connections connections,
                            std::uint64_t transfers);

/// How many connections of callers there may be beside all these, `wanted` at most. A few in any
/// case: kOwnDescriptors counts them.
std::size_t CallerConnectionsFor(std::size_t wanted, std::uint64_t file_limit,
                                 Connections connections, std::uint64_t transfers);

}  // namespace fetchd::app
