#include "net/ares_channel.h"

#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include "base/check.h"

namespace fetchd::net {

namespace {

using boost::system::error_code;

constexpr int kTries = 3;

void InitLibrary() {
  static std::once_flag once;
  std::call_once(once, [] { FETCHD_CHECK(ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS); });
}

using OwnedAnswer = std::unique_ptr<AresChannel::OnAnswer>;

void Deliver(void* argument, int status, int /*timeouts*/, ares_addrinfo* info) {
  const OwnedAnswer on_answer(static_cast<AresChannel::OnAnswer*>(argument));
  const std::unique_ptr<ares_addrinfo, decltype(&ares_freeaddrinfo)> owned(info,
                                                                           &ares_freeaddrinfo);
  (*on_answer)(status, info);
}

}  // namespace

AresChannel::AresChannel(asio::any_io_executor executor, const ResolverConfig& config,
                         Source source)
    : executor_(std::move(executor)), timer_(executor_) {
  InitLibrary();
  using std::chrono::milliseconds;
  const auto whole = std::chrono::duration_cast<milliseconds>(config.timeout).count();
  std::string lookups = source == Source::kHostsFile ? "f" : "b";
  ares_options options{};
  options.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
  // c-ares doubles it with each try; the caller's deadline ends the last one.
  options.timeout = static_cast<int>(std::clamp<decltype(whole)>(whole / 4, 1, 60'000));
  options.tries = kTries;
  options.ndomains = 0;  // ares_getaddrinfo ignores NOSEARCH in 1.18.
  options.lookups = lookups.data();
  options.sock_state_cb = &AresChannel::OnSocketState;
  options.sock_state_cb_data = this;
  const int set = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_DOMAINS |
                  ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
  if (ares_init_options(&channel_, &options, set) != ARES_SUCCESS) channel_ = nullptr;
  if (channel_ != nullptr && !config.servers.empty()) UseServers(config.servers);
}

void AresChannel::UseServers(const DnsServers& servers) {
  std::vector<ares_addr_port_node> nodes(servers.size());
  for (std::size_t i = 0; i < servers.size(); ++i) {
    ares_addr_port_node& node = nodes[i];
    const asio::ip::address address = servers[i].address();
    const auto copy = [](auto& to, const auto& bytes) {
      static_assert(sizeof to == sizeof bytes);
      std::memcpy(&to, bytes.data(), sizeof to);
    };
    node.family = address.is_v4() ? AF_INET : AF_INET6;
    if (address.is_v4()) {
      copy(node.addr.addr4, address.to_v4().to_bytes());
    } else {
      copy(node.addr.addr6, address.to_v6().to_bytes());
    }
    node.udp_port = node.tcp_port = servers[i].port();
    node.next = i + 1 < servers.size() ? &nodes[i + 1] : nullptr;
  }
  if (ares_set_servers_ports(channel_, nodes.data()) != ARES_SUCCESS) Close();
}

void AresChannel::Ask(const std::string& host, int family, OnAnswer on_answer) {
  ares_addrinfo_hints hints{};
  hints.ai_family = family;
  hints.ai_socktype = SOCK_STREAM;
  // The dialer orders the addresses.
  hints.ai_flags = ARES_AI_NOSORT | ARES_AI_ENVHOSTS;
  auto argument = std::make_unique<OnAnswer>(std::move(on_answer));
  if (channel_ == nullptr) return Deliver(argument.release(), ARES_ENOTINITIALIZED, 0, nullptr);
  ares_getaddrinfo(channel_, host.c_str(), nullptr, &hints, &Deliver, argument.release());
  ArmTimer();
}

void AresChannel::Close() {
  timer_.cancel();
  if (channel_ != nullptr) ares_destroy(std::exchange(channel_, nullptr));
  sockets_.clear();
}

void AresChannel::OnSocketState(void* self, ares_socket_t fd, int readable, int writable) {
  static_cast<AresChannel*>(self)->Watch(fd, readable != 0, writable != 0);
}

void AresChannel::Watch(ares_socket_t fd, bool readable, bool writable) {
  const auto found = sockets_.find(fd);
  if (!readable && !writable) {
    if (found == sockets_.end()) return;
    found->second->wants_read = found->second->wants_write = false;
    found->second->descriptor.release();  // c-ares closes it right after this.
    sockets_.erase(found);
    return;
  }
  std::shared_ptr<Socket> socket;
  if (found != sockets_.end()) {
    socket = found->second;
  } else {
    socket = std::make_shared<Socket>(asio::posix::stream_descriptor(executor_, fd));
    sockets_.emplace(fd, socket);
  }
  socket->wants_read = readable;
  socket->wants_write = writable;
  if (readable && !socket->waits_read) Wait(fd, socket, WaitType::wait_read);
  if (writable && !socket->waits_write) Wait(fd, socket, WaitType::wait_write);
}

void AresChannel::Wait(ares_socket_t fd, const std::shared_ptr<Socket>& socket, WaitType type) {
  const bool read = type == WaitType::wait_read;
  (read ? socket->waits_read : socket->waits_write) = true;
  socket->descriptor.async_wait(
      type, [self = shared_from_this(), socket, fd, type, read](const error_code& error) {
        (read ? socket->waits_read : socket->waits_write) = false;
        const auto wanted = [&] { return read ? socket->wants_read : socket->wants_write; };
        if (error || !wanted()) return;
        self->Process(read ? fd : ARES_SOCKET_BAD, read ? ARES_SOCKET_BAD : fd);
        const bool waiting = read ? socket->waits_read : socket->waits_write;
        if (wanted() && !waiting) self->Wait(fd, socket, type);
      });
}

void AresChannel::Process(ares_socket_t readable, ares_socket_t writable) {
  if (channel_ == nullptr) return;
  ares_process_fd(channel_, readable, writable);
  ArmTimer();
}

void AresChannel::ArmTimer() {
  timeval until{};
  if (channel_ == nullptr || ares_timeout(channel_, nullptr, &until) == nullptr) {
    timer_.cancel();
    return;
  }
  timer_.expires_after(std::chrono::seconds(until.tv_sec) +
                       std::chrono::microseconds(until.tv_usec));
  timer_.async_wait([self = shared_from_this()](const error_code& error) {
    if (!error) self->Process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  });
}

}  // namespace fetchd::net
