// The misbehaving origin: an HTTP/1.1 server in this process that does exactly what a test's script
// says.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/certificates.h"

namespace fetchd::testing {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

/// What a client sent.
struct OriginRequest {
  std::string method;
  std::string target;  ///< As sent: path and query.
  HeaderList headers;
  std::uint64_t connection = 0;  ///< From 1, in the order accepted.
  std::size_t visit = 0;         ///< How many requests for this target came before.
  /// The value of the first such header; empty when there is none. `name` in any case.
  std::string Header(std::string_view name) const;
};

/// One request being answered. Used on the thread of its connection, inside the handler only. Once
/// the client has gone, or the origin is being destroyed, calls do nothing and `alive` is false.
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual const OriginRequest& request() const = 0;
  virtual bool alive() const = 0;
  /// These bytes, as they are.
  virtual void Send(std::string_view bytes) = 0;
  /// Ends the connection after the handler: with FIN (and close_notify) ...
  virtual void Close() = 0;
  /// ... with FIN alone, as a TLS peer that truncates does ...
  virtual void Truncate() = 0;
  /// ... or at once with RST.
  virtual void Reset() = 0;
  /// Returns when the time has passed, the client has gone, or the origin is being destroyed.
  virtual void Pause(std::chrono::milliseconds time) = 0;
  /// Returns when the client has gone or the origin is being destroyed.
  virtual void Hang() = 0;

  /// Head and body with Content-Length (unless `headers` brings its own framing); no body for HEAD.
  void Respond(int status, const HeaderList& headers, std::string_view body);
  /// A head alone; `headers` must frame what follows.
  void SendHead(int status, const HeaderList& headers);
};

/// Runs on a thread of the origin; keep captures by value or synchronised.
using Handler = std::function<void(Exchange&)>;

/// Listens on 127.0.0.1, port chosen by the system, a thread a connection. Thread-safe.
class Origin {
 public:
  Origin();                                           ///< Plain HTTP.
  explicit Origin(const CertificateFiles& identity);  ///< HTTPS.
  ~Origin();                                          ///< Ends every connection and joins.
  Origin(const Origin&) = delete;
  Origin& operator=(const Origin&) = delete;

  /// What to do for this path (the target without its query). Paths without a handler are answered
  /// 404.
  void Handle(std::string path, Handler handler);

  std::uint16_t port() const;
  /// "http://127.0.0.1:PORT" + target; `host` replaces 127.0.0.1.
  std::string Url(std::string_view target, std::string_view host = "127.0.0.1") const;
  /// In the order received; of one path, or of all when `path` is empty.
  std::vector<OriginRequest> Requests(std::string_view path = {}) const;
  std::uint64_t connections() const;
  /// Waits until `count` requests for `path` have come. False when `timeout` passes first.
  bool WaitForRequests(std::string_view path, std::size_t count,
                       std::chrono::milliseconds timeout = std::chrono::seconds(20)) const;

  struct State;  ///< Of origin.cc.

 private:
  std::unique_ptr<State> state_;
};

}  // namespace fetchd::testing
