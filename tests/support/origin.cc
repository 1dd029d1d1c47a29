#include "support/origin.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <condition_variable>
#include <csignal>
#include <list>
#include <map>
#include <mutex>
#include <thread>

#include "base/check.h"

namespace fetchd::testing {
namespace {

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

std::string PathOf(const std::string& target) { return target.substr(0, target.find('?')); }

// "GET /x HTTP/1.1\r\nName: value\r\n...": what our client sends is well-formed, so this is not
// strict.
OriginRequest ParseHead(const std::string& head) {
  OriginRequest request;
  std::size_t at = head.find("\r\n");
  const std::string line = head.substr(0, at);
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  request.method = line.substr(0, first);
  request.target = line.substr(first + 1, last - first - 1);
  for (at += 2; at < head.size();) {
    const std::size_t end = head.find("\r\n", at);
    if (end == at || end == std::string::npos) break;
    const std::size_t colon = head.find(':', at);
    const std::size_t value = head.find_first_not_of(' ', colon + 1);
    request.headers.emplace_back(head.substr(at, colon - at), head.substr(value, end - value));
    at = end + 2;
  }
  return request;
}

const char* ReasonPhrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 206:
      return "Partial Content";
    case 302:
      return "Found";
    case 404:
      return "Not Found";
    case 503:
      return "Service Unavailable";
    default:
      return "Scripted";
  }
}

SSL_CTX* NewServerContext(const CertificateFiles& identity) {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  FETCHD_CHECK(SSL_CTX_use_certificate_chain_file(context, identity.certificate.c_str()) == 1);
  FETCHD_CHECK(SSL_CTX_use_PrivateKey_file(context, identity.key.c_str(), SSL_FILETYPE_PEM) == 1);
  return context;
}

}  // namespace

std::string OriginRequest::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (EqualsIgnoringCase(key, name)) return value;
  }
  return {};
}

void Exchange::SendHead(int status, const HeaderList& headers) {
  std::string head =
      "HTTP/1.1 " + std::to_string(status) + " " + std::string(ReasonPhrase(status)) + "\r\n";
  for (const auto& [name, value] : headers)
    head.append(name).append(": ").append(value).append("\r\n");
  Send(head + "\r\n");
}

void Exchange::Respond(int status, const HeaderList& headers, std::string_view body) {
  HeaderList all = headers;
  const bool framed = std::ranges::any_of(headers, [](const auto& header) {
    return EqualsIgnoringCase(header.first, "Content-Length") ||
           EqualsIgnoringCase(header.first, "Transfer-Encoding");
  });
  if (!framed) all.emplace_back("Content-Length", std::to_string(body.size()));
  SendHead(status, all);
  if (request().method != "HEAD") Send(body);
}

struct Origin::State {
  explicit State(SSL_CTX* context);
  ~State();

  void Accept();
  Handler Record(OriginRequest& request);

  SSL_CTX* tls;
  int listener = -1;
  int stop_event = -1;  ///< Readable from the moment that the origin is being destroyed.
  std::uint16_t port = 0;
  mutable std::mutex mutex;
  mutable std::condition_variable arrived;
  std::map<std::string, Handler> handlers;
  std::vector<OriginRequest> requests;
  std::uint64_t connections = 0;
  std::list<std::thread> connection_threads;
  std::thread acceptor;
};

namespace {

/// A client's connection, served by one thread from accept to close.
class Connection final : public Exchange {
 public:
  Connection(Origin::State& origin, int fd, std::uint64_t id) : origin_(origin), fd_(fd), id_(id) {}
  ~Connection() override {
    if (tls_ != nullptr) SSL_free(tls_);
    close(fd_);
  }

  void Serve() {
    if (!Handshake()) return;
    while (alive_ && ReadHead()) {
      const Handler handler = origin_.Record(request_);
      if (handler) {
        handler(*this);
      } else {
        Respond(404, {}, "no script for this path\n");
      }
    }
    if (alive_ && tls_ != nullptr) SSL_shutdown(tls_);
  }

  const OriginRequest& request() const override { return request_; }
  bool alive() const override { return alive_; }

  void Send(std::string_view bytes) override {
    while (alive_ && !bytes.empty()) {
      const int sent =
          tls_ != nullptr
              ? SSL_write(tls_, bytes.data(), ClampedSize(bytes))
              : static_cast<int>(send(fd_, bytes.data(), ClampedSize(bytes), MSG_NOSIGNAL));
      if (sent > 0) {
        bytes.remove_prefix(static_cast<std::size_t>(sent));
      } else {
        alive_ = WouldBlock(sent) && WaitFor(POLLOUT);
      }
    }
  }

  void Close() override {
    if (alive_ && tls_ != nullptr) SSL_shutdown(tls_);
    Truncate();
  }
  void Truncate() override {
    // What the client still sends must not turn our FIN into a RST.
    if (alive_) shutdown(fd_, SHUT_WR);
    if (alive_) Hang();
    alive_ = false;
  }
  void Reset() override {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    alive_ = false;
  }
  void Pause(std::chrono::milliseconds time) override {
    if (alive_) alive_ = !WaitForEnd(static_cast<int>(time.count()));
  }
  void Hang() override {
    if (alive_) WaitForEnd(-1);
    alive_ = false;
  }

 private:
  static int ClampedSize(std::string_view bytes) {
    return static_cast<int>(std::min<std::size_t>(bytes.size(), std::size_t{1} << 20));
  }

  bool WouldBlock(int result) const {
    if (tls_ == nullptr) return result < 0 && (errno == EAGAIN || errno == EINTR);
    const int error = SSL_get_error(tls_, result);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
  }

  /// False when the origin is being destroyed.
  bool WaitFor(short events) const {
    pollfd waits[] = {{.fd = fd_, .events = events, .revents = 0},
                      {.fd = origin_.stop_event, .events = POLLIN, .revents = 0}};
    while (poll(waits, 2, -1) < 0) {
    }
    return waits[1].revents == 0;
  }

  /// True when the client has gone or the origin is being destroyed, false when the time has
  /// passed.
  bool WaitForEnd(int timeout_ms) const {
    pollfd waits[] = {{.fd = fd_, .events = POLLRDHUP, .revents = 0},
                      {.fd = origin_.stop_event, .events = POLLIN, .revents = 0}};
    return poll(waits, 2, timeout_ms) != 0;
  }

  bool Handshake() {
    if (origin_.tls == nullptr) return true;
    tls_ = SSL_new(origin_.tls);
    SSL_set_fd(tls_, fd_);
    while (true) {
      const int result = SSL_accept(tls_);
      if (result == 1) return true;
      if (!WouldBlock(result) || !WaitFor(POLLIN)) return false;
    }
  }

  bool ReadHead() {
    std::size_t end;
    while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
      char buffer[4096];
      const int size = tls_ != nullptr ? SSL_read(tls_, buffer, sizeof buffer)
                                       : static_cast<int>(recv(fd_, buffer, sizeof buffer, 0));
      if (size > 0) {
        received_.append(buffer, static_cast<std::size_t>(size));
      } else if (!WouldBlock(size) || !WaitFor(POLLIN)) {
        return false;
      }
    }
    request_ = ParseHead(received_.substr(0, end + 4));
    request_.connection = id_;
    received_.erase(0, end + 4);
    return true;
  }

  Origin::State& origin_;
  int fd_;
  std::uint64_t id_;
  SSL* tls_ = nullptr;
  bool alive_ = true;
  std::string received_;
  OriginRequest request_;
};

}  // namespace

Origin::State::State(SSL_CTX* context) : tls(context) {
  signal(SIGPIPE, SIG_IGN);  // SSL_write has no MSG_NOSIGNAL.
  listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  stop_event = eventfd(0, EFD_CLOEXEC);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  FETCHD_CHECK(bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0);
  FETCHD_CHECK(listen(listener, 1024) == 0);
  FETCHD_CHECK(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port = ntohs(address.sin_port);
  acceptor = std::thread([this] { Accept(); });
}

Origin::State::~State() {
  eventfd_write(stop_event, 1);
  acceptor.join();
  for (std::thread& thread : connection_threads) thread.join();
  close(listener);
  close(stop_event);
  SSL_CTX_free(tls);
}

void Origin::State::Accept() {
  pollfd waits[] = {{.fd = listener, .events = POLLIN, .revents = 0},
                    {.fd = stop_event, .events = POLLIN, .revents = 0}};
  while (true) {
    if (poll(waits, 2, -1) > 0 && waits[1].revents != 0) return;
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) continue;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const std::lock_guard lock(mutex);
    connection_threads.emplace_back(
        [this, fd, id = ++connections] { Connection(*this, fd, id).Serve(); });
  }
}

Handler Origin::State::Record(OriginRequest& request) {
  const std::lock_guard lock(mutex);
  request.visit = static_cast<std::size_t>(
      std::ranges::count(requests, request.target, &OriginRequest::target));
  requests.push_back(request);
  arrived.notify_all();
  const auto found = handlers.find(PathOf(request.target));
  return found == handlers.end() ? Handler() : found->second;
}

Origin::Origin() : state_(std::make_unique<State>(nullptr)) {}
Origin::Origin(const CertificateFiles& identity)
    : state_(std::make_unique<State>(NewServerContext(identity))) {}
Origin::~Origin() = default;

void Origin::Handle(std::string path, Handler handler) {
  const std::lock_guard lock(state_->mutex);
  state_->handlers.insert_or_assign(std::move(path), std::move(handler));
}

std::uint16_t Origin::port() const { return state_->port; }

std::string Origin::Url(std::string_view target, std::string_view host) const {
  return std::string(state_->tls != nullptr ? "https" : "http") + "://" + std::string(host) + ":" +
         std::to_string(port()) + std::string(target);
}

std::vector<OriginRequest> Origin::Requests(std::string_view path) const {
  const std::lock_guard lock(state_->mutex);
  std::vector<OriginRequest> matching;
  for (const OriginRequest& request : state_->requests) {
    if (path.empty() || PathOf(request.target) == path) matching.push_back(request);
  }
  return matching;
}

std::uint64_t Origin::connections() const {
  const std::lock_guard lock(state_->mutex);
  return state_->connections;
}

bool Origin::WaitForRequests(std::string_view path, std::size_t count,
                             std::chrono::milliseconds timeout) const {
  std::unique_lock lock(state_->mutex);
  return state_->arrived.wait_for(lock, timeout, [&] {
    const auto arrived = std::ranges::count_if(state_->requests, [&](const OriginRequest& request) {
      return PathOf(request.target) == path;
    });
    return static_cast<std::size_t>(arrived) >= count;
  });
}

}  // namespace fetchd::testing
