#include "app/fd_limits.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/strings.h"
#include "net/connect_race.h"

namespace fetchd::app {
namespace {

/// Database and its readers, event loops, sockets of API clients, log, libraries.
constexpr std::uint64_t kOwnDescriptors = 128;
/// The temporary file, and its directory while the file is published.
constexpr std::uint64_t kDescriptorsPerTransfer = 2;

/// Callers that have a place whatever else is wanted, out of kOwnDescriptors.
constexpr std::uint64_t kFewCallers = 32;

std::uint64_t ReservedFor(std::uint64_t transfers) {
  return kOwnDescriptors + net::kSpareSockets + kDescriptorsPerTransfer * transfers;
}

}  // namespace

absl::StatusOr<std::uint64_t> RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return absl::InternalError(Concat("RLIMIT_NOFILE cannot be read: ", std::strerror(errno)));
  }
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return absl::InternalError(Concat("RLIMIT_NOFILE cannot be raised: ", std::strerror(errno)));
  }
  return limit.rlim_cur;
}

absl::Status CheckFileLimit(std::uint64_t file_limit, Connections connections,
                            std::uint64_t transfers) {
  const std::uint64_t files = kDescriptorsPerTransfer * transfers;
  const std::uint64_t reserved = ReservedFor(transfers);
  const std::uint64_t left = file_limit > reserved ? file_limit - reserved : 0;
  const std::uint64_t allowed = left / 5 * 4;
  if (connections.to_origins + connections.to_stores <= allowed) return absl::OkStatus();
  const std::string stores =
      connections.to_stores == 0
          ? " is"
          : Concat(" and ", connections.to_stores, " for stores (their parts_in_flight) are");
  return absl::FailedPreconditionError(
      Concat("limits.connections: ", connections.to_origins, stores, " more than ", allowed,
             ", 80 % of the ", left, " file descriptors that the limit of ", file_limit,
             " leaves beside ", kOwnDescriptors, " of the process, ", net::kSpareSockets,
             " for connects to several addresses and ", files, " for the files of ", transfers,
             " transfers; raise `ulimit -Hn` or lower limits.connections and limits.transfers"));
}

std::size_t CallerConnectionsFor(std::size_t wanted, std::uint64_t file_limit,
                                 Connections connections, std::uint64_t transfers) {
  const std::uint64_t taken =
      ReservedFor(transfers) + connections.to_origins + connections.to_stores;
  const std::uint64_t left = file_limit > taken ? file_limit - taken : 0;
  return static_cast<std::size_t>(std::min<std::uint64_t>(wanted, left + kFewCallers));
}

}  // namespace fetchd::app
