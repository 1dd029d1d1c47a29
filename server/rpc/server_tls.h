// TLS on the gRPC listener.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/time.h"

namespace grpc {
class ServerCredentials;
}  // namespace grpc

namespace fetchd::rpc {

/// Files in PEM. All of them are read again every `reload_interval`, and what they hold then is
/// what new connections see; those that are open go on as they are. While a file cannot be read,
/// what it held before stays; but one that holds no certificate, or not that of the key, ends TLS
/// for new connections until it is mended. A certificate and its key are replaced at once by
/// renaming the directory, or the link, that they are in.
struct ServerTls {
  std::string certificate_file;  ///< Ours, its intermediates after it; empty = plain text.
  std::string key_file;          ///< Not encrypted.
  /// Callers' certificates are verified with these authorities, and with no others. Empty: none is
  /// asked for.
  std::string client_ca_file;
  /// False: a caller without one may connect. Not set: true.
  std::optional<bool> client_certificate_required;
  /// With client_ca_file: how long a connection lives, a tenth more or less, before its calls get 5
  /// min to end: a certificate is looked at when a connection begins, and expires afterwards.
  Duration connection_age = std::chrono::hours(1);
  Duration reload_interval = std::chrono::seconds(10);  ///< Whole seconds; at least one.

  bool enabled() const { return !certificate_file.empty(); }
};

/// TLS 1.2 or newer; plain text when it is not enabled. Whoever connects while the files are of no
/// use finds no TLS: check them before.
std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(const ServerTls& tls);

}  // namespace fetchd::rpc
