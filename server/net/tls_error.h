// What OpenSSL says went wrong, in our words.
#pragma once

#include <openssl/types.h>

#include <boost/system/error_code.hpp>
#include <string>

#include "base/status.h"

namespace fetchd::net {

/// Failures that an operator can do something about. In TLS 1.3 a server judges our certificate
/// after our side of the handshake is done: those two may come with the first read.
enum class TlsFault {
  kCertificateWanted = 1,
  kCertificateRefused,
  kProtocolVersion,
  kNoSharedCipher,
  kNotTls,
  kUnknownName,
};

const boost::system::error_category& TlsFaultCategory();
boost::system::error_code make_error_code(TlsFault fault);

/// After a call that failed with SSL_ERROR_SSL or SSL_ERROR_SYSCALL: a TlsFault,
/// asio::ssl::error::stream_truncated for an end without close_notify, errno, or OpenSSL's code.
boost::system::error_code SslFailure(const SSL* ssl);

/// FAILED_PRECONDITION, reason TLS_CLIENT_CERTIFICATE, for the two that are about our certificate;
/// UNAVAILABLE, reason TLS_FAILED, for the others; both with metadata "check", the fault's name in
/// capitals. `error` is of TlsFaultCategory().
absl::Status TlsFaultError(const boost::system::error_code& error, const std::string& peer);

/// Of a handshake that failed: FAILED_PRECONDITION, reason TLS_VERIFY_FAILED and metadata "check"
/// (TlsRefusal::check), when the server's certificate was refused; else as NetworkError.
absl::Status HandshakeError(const boost::system::error_code& error, const SSL* ssl,
                            const std::string& peer);

}  // namespace fetchd::net

template <>
struct boost::system::is_error_code_enum<fetchd::net::TlsFault> : std::true_type {};
