// Addresses that could not be connected to a short while ago.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstddef>
#include <list>
#include <map>
#include <vector>

#include "base/time.h"

namespace fetchd::net {

/// So that a dead one of several addresses is waited for once, and not with every connection (RFC
/// 8305 4 and 6724 6: history goes before the order of the answer). It only orders: an address is
/// never left out. Lives on one shard.
class FailedAddresses {
 public:
  using Endpoint = asio::ip::tcp::endpoint;
  /// As long as DNS answers are kept at most: a newer answer is worth a new try.
  static constexpr Duration kRemembered = std::chrono::seconds(60);

  explicit FailedAddresses(const Clock& clock, std::size_t max_entries = 1024)
      : clock_(clock), max_entries_(max_entries) {}

  /// It was refused, silent, or no TLS could be spoken there. Of more than max_entries the one that
  /// failed longest ago is forgotten.
  void Failed(const Endpoint& endpoint);
  void Reached(const Endpoint& endpoint);
  /// Moves those that failed behind the others; the order among either stays.
  void PutLast(std::vector<Endpoint>& endpoints);
  std::size_t size() const { return by_endpoint_.size(); }

 private:
  struct Entry {
    Endpoint endpoint;
    SteadyTime until;
  };
  void ForgetExpired();

  const Clock& clock_;
  const std::size_t max_entries_;
  std::list<Entry> entries_;  ///< In the order of `until`.
  std::map<Endpoint, std::list<Entry>::iterator> by_endpoint_;
};

}  // namespace fetchd::net
