#include "admin/tls.h"

#include <boost/asio/ssl/context.hpp>

#include "base/strings.h"

namespace fetchd::admin {
namespace {

namespace ssl = asio::ssl;
using boost::system::error_code;

absl::Status CannotUse(const char* key, const std::string& path, const error_code& error) {
  return absl::FailedPreconditionError(
      Concat("admin.tls.", key, ": cannot use ", path, ": ", error.message()));
}

}  // namespace

absl::StatusOr<TlsContext> LoadTls(const ServerTls& tls) {
  const auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  context->set_options(ssl::context::default_workarounds | ssl::context::no_tlsv1 |
                       ssl::context::no_tlsv1_1);
  // Sessions of clients with certificates are resumed within a context that has a name.
  constexpr unsigned char kName[] = "fetchd admin";
  SSL_CTX_set_session_id_context(context->native_handle(), kName, sizeof kName - 1);
  error_code error;
  context->use_certificate_chain_file(tls.certificate_file, error);
  if (error) return CannotUse("certificate_file", tls.certificate_file, error);
  // An encrypted key would have OpenSSL ask the terminal.
  context->set_password_callback([](std::size_t, auto) { return std::string(); }, error);
  if (!error) context->use_private_key_file(tls.key_file, ssl::context::pem, error);
  if (error) return CannotUse("key_file", tls.key_file, error);
  if (!tls.asks_for_certificates()) return context;
  context->load_verify_file(tls.client_ca_file, error);
  if (!error) context->set_verify_mode(ssl::verify_peer, error);
  if (error) return CannotUse("client_ca_file", tls.client_ca_file, error);
  return context;
}

}  // namespace fetchd::admin
