#include <ares.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/strings.h"
#include "net/resolver.h"

namespace fetchd::net {

namespace {

using asio::ip::address;
using boost::system::error_code;

constexpr std::size_t kMaxAddresses = 16;
constexpr int kTries = 3;

/// One question put to c-ares. Shared by the waiting coroutine and c-ares, which cannot drop a
/// question: when the coroutine is cancelled, the answer finds nobody.
struct Lookup {
  explicit Lookup(const asio::any_io_executor& executor)
      : answered(executor, asio::steady_timer::time_point::max()) {}

  std::optional<int> status;  ///< Of c-ares; set by the answer.
  Resolution resolution;
  asio::steady_timer answered;  ///< Never expires by itself; brought forward by the answer.
};

address AddressOf(const ares_addrinfo_node& node) {
  if (node.ai_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, node.ai_addr, sizeof v4);
    return asio::ip::address_v4(ntohl(v4.sin_addr.s_addr));
  }
  sockaddr_in6 v6;
  std::memcpy(&v6, node.ai_addr, sizeof v6);
  asio::ip::address_v6::bytes_type bytes;
  std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
  return asio::ip::address_v6(bytes);
}

/// At most kMaxAddresses, taken from both families in turn, so that neither crowds out the other.
Resolution ResolutionOf(const ares_addrinfo& info) {
  std::array<std::vector<address>, 2> families;
  int ttl_seconds = std::numeric_limits<int>::max();
  for (const auto* node = info.nodes; node != nullptr; node = node->ai_next) {
    if (node->ai_family != AF_INET && node->ai_family != AF_INET6) continue;
    const address found = AddressOf(*node);
    std::vector<address>& family = families[found.is_v4() ? 1 : 0];
    if (std::ranges::find(family, found) == family.end()) family.push_back(found);
    ttl_seconds = std::min(ttl_seconds, node->ai_ttl);
  }
  for (const auto* alias = info.cnames; alias != nullptr; alias = alias->next) {
    ttl_seconds = std::min(ttl_seconds, alias->ttl);
  }
  Resolution resolution;
  resolution.ttl = std::chrono::seconds(std::max(0, ttl_seconds));
  const std::size_t longest = std::max(families[0].size(), families[1].size());
  for (std::size_t i = 0; i < longest; ++i) {
    for (const auto& family : families) {
      if (i < family.size() && resolution.addresses.size() < kMaxAddresses) {
        resolution.addresses.push_back(family[i]);
      }
    }
  }
  return resolution;
}

void OnAnswer(void* argument, int status, int /*timeouts*/, ares_addrinfo* info) {
  const std::unique_ptr<std::shared_ptr<Lookup>> held(
      static_cast<std::shared_ptr<Lookup>*>(argument));
  const std::unique_ptr<ares_addrinfo, decltype(&ares_freeaddrinfo)> owned(info,
                                                                           &ares_freeaddrinfo);
  Lookup& lookup = **held;
  lookup.status = status;
  if (status == ARES_SUCCESS && info != nullptr) lookup.resolution = ResolutionOf(*info);
  lookup.answered.expires_at(asio::steady_timer::time_point::min());
}

absl::Status FailureOf(int status, const std::string& host) {
  const std::string what = Concat("DNS lookup of ", host, ": ");
  switch (status) {
    case ARES_SUCCESS:
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
    case ARES_EBADNAME:
      return WithReason(absl::NotFoundError(Concat(what, "no such name, or it has no address")),
                        {"DNS_NAME_NOT_FOUND", {{"host", host}}});
    case ARES_ETIMEOUT:
      return absl::DeadlineExceededError(Concat(what, "DNS timed out: no server answered"));
    case ARES_ECANCELLED:
    case ARES_EDESTRUCTION:
      return absl::CancelledError(Concat(what, "cancelled"));
    default:
      return WithReason(
          absl::UnavailableError(Concat(what, std::string_view(ares_strerror(status)))),
          {"DNS_FAILED", {{"host", host}}});
  }
}

/// A c-ares channel on an event loop. Shared with its pending waits, which may complete after the
/// resolver is gone.
class Channel : public std::enable_shared_from_this<Channel> {
 public:
  Channel(asio::any_io_executor executor, const ResolverConfig& config);
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  void Ask(const std::string& host, std::shared_ptr<Lookup> lookup);
  /// Ends every lookup; c-ares closes its sockets.
  void Close();

 private:
  struct Socket {
    explicit Socket(asio::posix::stream_descriptor on) : descriptor(std::move(on)) {}
    asio::posix::stream_descriptor descriptor;
    bool wants_read = false, wants_write = false;
    bool waits_read = false, waits_write = false;
  };
  using WaitType = asio::posix::descriptor_base::wait_type;

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

void InitLibrary() {
  static std::once_flag once;
  std::call_once(once, [] { FETCHD_CHECK(ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS); });
}

Channel::Channel(asio::any_io_executor executor, const ResolverConfig& config)
    : executor_(std::move(executor)), timer_(executor_) {
  InitLibrary();
  using std::chrono::milliseconds;
  const auto whole = std::chrono::duration_cast<milliseconds>(config.timeout).count();
  std::string lookups = config.servers.empty() ? "fb" : "b";  // Files, then DNS; or DNS alone.
  ares_options options{};
  options.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
  // c-ares doubles it with each try; the caller's deadline ends the last one.
  options.timeout = static_cast<int>(std::clamp<decltype(whole)>(whole / 4, 1, 60'000));
  options.tries = kTries;
  options.ndomains = 0;  // ares_getaddrinfo ignores NOSEARCH in 1.18.
  options.lookups = lookups.data();
  options.sock_state_cb = &Channel::OnSocketState;
  options.sock_state_cb_data = this;
  const int set = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_DOMAINS |
                  ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
  if (ares_init_options(&channel_, &options, set) != ARES_SUCCESS) channel_ = nullptr;
  if (channel_ != nullptr && !config.servers.empty() &&
      ares_set_servers_ports_csv(channel_, config.servers.c_str()) != ARES_SUCCESS) {
    Close();
  }
}

void Channel::Ask(const std::string& host, std::shared_ptr<Lookup> lookup) {
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = ARES_AI_NOSORT;  // The dialer orders them.
  auto argument = std::make_unique<std::shared_ptr<Lookup>>(std::move(lookup));
  if (channel_ == nullptr) {
    OnAnswer(argument.release(), ARES_ENOTINITIALIZED, 0, nullptr);
    return;
  }
  ares_getaddrinfo(channel_, host.c_str(), nullptr, &hints, &OnAnswer, argument.release());
  ArmTimer();
}

void Channel::Close() {
  timer_.cancel();
  if (channel_ != nullptr) ares_destroy(std::exchange(channel_, nullptr));
  sockets_.clear();
}

void Channel::OnSocketState(void* self, ares_socket_t fd, int readable, int writable) {
  static_cast<Channel*>(self)->Watch(fd, readable != 0, writable != 0);
}

void Channel::Watch(ares_socket_t fd, bool readable, bool writable) {
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

void Channel::Wait(ares_socket_t fd, const std::shared_ptr<Socket>& socket, WaitType type) {
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

void Channel::Process(ares_socket_t readable, ares_socket_t writable) {
  if (channel_ == nullptr) return;
  ares_process_fd(channel_, readable, writable);
  ArmTimer();
}

void Channel::ArmTimer() {
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

/// RFC 6761 6.3: never sent to a server.
bool IsLocalhost(std::string_view host) {
  return host == "localhost" || host.ends_with(".localhost");
}

class AresResolver final : public Resolver {
 public:
  AresResolver(asio::any_io_executor executor, Clock& clock, const ResolverConfig& config)
      : executor_(std::move(executor)),
        clock_(clock),
        timeout_(config.timeout),
        fixed_ttl_(config.max_ttl),
        channel_(std::make_shared<Channel>(executor_, config)) {}
  ~AresResolver() override { channel_->Close(); }

  Task<absl::StatusOr<Resolution>> Resolve(std::string host, Deadline deadline) override {
    error_code not_an_address;
    const address literal = asio::ip::make_address(host, not_an_address);
    if (!not_an_address) co_return Resolution{{literal}, fixed_ttl_};
    if (IsLocalhost(host)) {
      const Resolution loopback{
          {asio::ip::address_v6::loopback(), asio::ip::address_v4::loopback()}, fixed_ttl_};
      co_return loopback;
    }
    const Deadline until = deadline.Min(Deadline::After(clock_, timeout_));
    co_return co_await WithDeadline(clock_, until, Concat("DNS timed out: ", host), Ask(host));
  }

 private:
  Task<absl::StatusOr<Resolution>> Ask(std::string host) {
    const auto lookup = std::make_shared<Lookup>(executor_);
    channel_->Ask(host, lookup);
    co_await lookup->answered.async_wait(kTuple);
    if (!lookup->status) co_return FailureOf(ARES_ECANCELLED, host);
    if (lookup->resolution.addresses.empty()) co_return FailureOf(*lookup->status, host);
    co_return lookup->resolution;
  }

  const asio::any_io_executor executor_;
  Clock& clock_;
  const Duration timeout_;
  const Duration fixed_ttl_;  ///< Of answers that need no lookup.
  const std::shared_ptr<Channel> channel_;
};

}  // namespace

std::unique_ptr<Resolver> MakeAresResolver(asio::any_io_executor executor, Clock& clock,
                                           ResolverConfig config) {
  return std::make_unique<AresResolver>(std::move(executor), clock, config);
}

}  // namespace fetchd::net
