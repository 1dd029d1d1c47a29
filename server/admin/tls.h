// TLS of the admin listener.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/status.h"
#include "base/task.h"
#include "base/time.h"

namespace boost::asio::ssl {
class context;
}

namespace fetchd::admin {

struct ServerTls {
  std::string certificate_file;  ///< PEM, its intermediates after it; empty = plain text.
  std::string key_file;          ///< PEM, not encrypted.
  /// Authorities (PEM) of clients' certificates: then only who shows one is told the metrics.
  /// Empty: none is asked for, and all are.
  std::string client_ca_file;
  Duration reload_interval = std::chrono::seconds(10);

  bool enabled() const { return !certificate_file.empty(); }
  bool asks_for_certificates() const { return !client_ca_file.empty(); }
};

using TlsContext = std::shared_ptr<asio::ssl::context>;

/// TLS 1.2 or newer. A certificate that is shown must be of client_ca_file; none has to be.
/// FAILED_PRECONDITION naming the key whose file is of no use. Blocking.
absl::StatusOr<TlsContext> LoadTls(const ServerTls& tls);

}  // namespace fetchd::admin
