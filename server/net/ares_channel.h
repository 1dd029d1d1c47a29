// c-ares on an event loop.
#pragma once

#include <ares.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "net/resolver.h"

namespace fetchd::net {

/// Lives on one shard. Shared with its pending waits, which may complete after its owner is gone.
class AresChannel : public std::enable_shared_from_this<AresChannel> {
 public:
  enum class Source {
    kHostsFile,  ///< /etc/hosts, or what the environment variable CARES_HOSTS names.
    kDns,
  };
  /// `status` is of c-ares; `info` may be null.
  using OnAnswer = std::function<void(int status, const ares_addrinfo* info)>;

  AresChannel(asio::any_io_executor executor, const ResolverConfig& config, Source source);
  AresChannel(const AresChannel&) = delete;
  AresChannel& operator=(const AresChannel&) = delete;

  /// Calls `on_answer` once, perhaps before it returns. `family`: AF_INET, AF_INET6 or AF_UNSPEC.
  /// c-ares cannot drop a question: whoever gives up ignores the answer.
  void Ask(const std::string& host, int family, OnAnswer on_answer);
  /// Ends every question, with an answer that says so; c-ares closes its sockets.
  void Close();

 private:
  struct Socket {
    explicit Socket(asio::posix::stream_descriptor on) : descriptor(std::move(on)) {}
    asio::posix::stream_descriptor descriptor;
    bool wants_read = false, wants_write = false;
    bool waits_read = false, waits_write = false;
  };
  using WaitType = asio::posix::descriptor_base::wait_type;

  void UseServers(const DnsServers& servers);
  static void OnSocketState(void* self, ares_socket_t fd, int readable, int writable);
  void Watch(ares_socket_t fd, bool readable, bool writable);
  void Wait(ares_socket_t fd, const std::shared_ptr<Socket>& socket, WaitType type);
  void Process(ares_socket_t readable, ares_socket_t writable);
  void ArmTimer();

  const asio::any_io_executor executor_;
  asio::steady_timer timer_;
  std::map<ares_socket_t, std::shared_ptr<Socket>> sockets_;
  ares_channel channel_ = nullptr;
};

}  // namespace fetchd::net
