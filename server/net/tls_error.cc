#include "net/tls_error.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <boost/asio/ssl/error.hpp>
#include <cerrno>
#include <optional>

#include "base/strings.h"
#include "net/error.h"
#include "net/tls_client_state.h"

namespace fetchd::net {

namespace {

namespace asio_ssl = boost::asio::ssl::error;
using boost::system::error_code;

struct FaultText {
  const char* check;
  const char* message;
};

FaultText TextOf(TlsFault fault) {
  switch (fault) {
    case TlsFault::kCertificateWanted:
      return {"CERTIFICATE_WANTED",
              "the server asks for a client certificate; name a TLS profile that has one"};
    case TlsFault::kCertificateRefused:
      return {"CERTIFICATE_REFUSED", "the server refuses our client certificate"};
    case TlsFault::kProtocolVersion:
      return {"PROTOCOL_VERSION", "the server speaks no version of TLS that is allowed here"};
    case TlsFault::kNoSharedCipher:
      return {"NO_SHARED_CIPHER", "the server accepts none of the ciphers that are offered"};
    case TlsFault::kNotTls:
      return {"NOT_TLS", "the server does not speak TLS on this port"};
    case TlsFault::kUnknownName:
      return {"UNKNOWN_NAME", "the server does not know this host name"};
  }
  return {"UNKNOWN", "unknown"};
}

class Category final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "fetchd.tls"; }
  std::string message(int fault) const override {
    return TextOf(static_cast<TlsFault>(fault)).message;
  }
};

/// `reason` is a refusal that mentions our certificate, or may be about its absence.
std::optional<TlsFault> CertificateFault(const SSL* ssl) {
  if (!ClientStateOf(ssl).certificate_wanted) return std::nullopt;
  return SSL_get_certificate(ssl) == nullptr ? TlsFault::kCertificateWanted
                                             : TlsFault::kCertificateRefused;
}

std::optional<TlsFault> FaultOf(int reason, const SSL* ssl) {
  switch (reason) {
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
      return TlsFault::kCertificateWanted;
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
      return CertificateFault(ssl);
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
      // All that TLS 1.2 has to say about a certificate that did not come.
      return CertificateFault(ssl).value_or(TlsFault::kNoSharedCipher);
    case SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY:
      return TlsFault::kNoSharedCipher;
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
    case SSL_R_UNSUPPORTED_PROTOCOL:
      return TlsFault::kProtocolVersion;
    case SSL_R_WRONG_VERSION_NUMBER:
      return TlsFault::kNotTls;
    case SSL_R_TLSV1_UNRECOGNIZED_NAME:
      return TlsFault::kUnknownName;
    default:
      return std::nullopt;
  }
}

}  // namespace

const boost::system::error_category& TlsFaultCategory() {
  static const Category category;
  return category;
}

error_code make_error_code(TlsFault fault) { return {static_cast<int>(fault), TlsFaultCategory()}; }

error_code SslFailure(const SSL* ssl) {
  const unsigned long code = ERR_peek_error();
  if (code == 0 && errno != 0) return {errno, boost::system::system_category()};
  if (code == 0) return asio_ssl::stream_truncated;
  if (ERR_GET_LIB(code) == ERR_LIB_SSL) {
    const int reason = ERR_GET_REASON(code);
    if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) return asio_ssl::stream_truncated;
    if (const auto fault = FaultOf(reason, ssl)) return *fault;
  }
  return {static_cast<int>(code), asio::error::get_ssl_category()};
}

absl::Status TlsFaultError(const error_code& error, const std::string& peer) {
  const auto fault = static_cast<TlsFault>(error.value());
  const std::string what = Concat("TLS ", peer, ": ", error.message());
  const bool ours = fault == TlsFault::kCertificateWanted || fault == TlsFault::kCertificateRefused;
  return WithReason(ours ? absl::FailedPreconditionError(what) : absl::UnavailableError(what),
                    {ours ? "TLS_CLIENT_CERTIFICATE" : "TLS_FAILED",
                     {{"check", TextOf(fault).check}, {"peer", peer}}});
}

absl::Status HandshakeError(const error_code& error, const SSL* ssl, const std::string& peer) {
  const std::optional<TlsRefusal>& refusal = ClientStateOf(ssl).refusal;
  if (!refusal) return NetworkError(error, Phase::kTls, peer);
  return WithReason(absl::FailedPreconditionError(Concat("TLS ", peer, ": ", refusal->message)),
                    {"TLS_VERIFY_FAILED", {{"check", refusal->check}, {"peer", peer}}});
}

}  // namespace fetchd::net
