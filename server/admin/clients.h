// Which clients have a connection, and which of them lose it for the sake of others.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstddef>
#include <list>
#include <memory>
#include <optional>

#include "base/semaphore.h"
#include "base/status.h"
#include "base/task.h"
#include "base/time.h"
#include "runtime/task_group.h"

namespace fetchd::admin {

class Clients;

/// One client's connection. Owner: its task.
class ClientPlace {
 public:
  ~ClientPlace();
  ClientPlace(const ClientPlace&) = delete;
  ClientPlace& operator=(const ClientPlace&) = delete;

  /// False: the API has as many requests as it may. Until EndApi() the connection is not taken
  /// away.
  bool BeginApi();
  /// From here on it waits for its client again, who came last.
  void EndApi();
  /// Nobody else has a place: the connection does not wait for a further request.
  bool crowded() const;

 private:
  friend class Clients;
  ClientPlace(Clients& all, Permit slot, const asio::ip::address& from);

  Clients& all_;
  const Permit slot_;
  const asio::ip::address address_;
  Permit api_slot_;
  runtime::TaskHandle task_;
  std::optional<std::list<ClientPlace*>::iterator> idle_;  ///< Its position in Clients::idle_.
};

/// Health is answered whatever the API has to do, and however many wait: requests of the API have
/// three quarters of the connections at most, and where there is no room for another client, of
/// those that have no such request the one that waits longest is closed. On the listener's shard.
class Clients {
 public:
  explicit Clients(std::size_t most);

  /// Waits for a place.
  Task<absl::StatusOr<Permit>> NextPlace(Clock& clock);
  /// Null: the address (of IPv6 its /64, which is what one host may choose from) has half of the
  /// connections already. This machine's own have no such limit: proxies and probes come from it.
  std::unique_ptr<ClientPlace> Admit(Permit place, const asio::ip::address& from);
  /// `task` serves `client`, which has not begun to. Another loses its place if it was the last
  /// one.
  void Began(ClientPlace& client, runtime::TaskHandle task);

 private:
  friend class ClientPlace;

  const std::size_t most_of_address_;
  Semaphore slots_, api_slots_;
  std::list<const ClientPlace*> clients_;
  std::list<ClientPlace*> idle_;  ///< The one that waits longest first.
};

}  // namespace fetchd::admin
