#include "net/tls_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "base/check.h"
#include "base/strings.h"
#include "net/tls_client_state.h"

namespace fetchd::net {

namespace {

/// Two records of full length (RFC 8446 5.2). OpenSSL moves all that it has read ahead with every
/// record: a larger buffer saves fewer system calls than it costs in copies.
constexpr std::size_t kReadBufferBytes = std::size_t{2} * (5 + 16384 + 256);

/// OpenSSL's queue of errors is the thread's: it is found and left empty.
struct ErrorQueue {
  ErrorQueue() { ERR_clear_error(); }
  ~ErrorQueue() { ERR_clear_error(); }
  ErrorQueue(const ErrorQueue&) = delete;
  ErrorQueue& operator=(const ErrorQueue&) = delete;
};

std::string LastSslError() {
  const char* text = ERR_reason_error_string(ERR_peek_last_error());
  return text != nullptr ? text : "not what was expected";
}

absl::Status CannotUse(const char* what, const std::string& path, std::string_view why) {
  return absl::InvalidArgumentError(Concat(what, " ", path, ": ", why));
}

/// OpenSSL's own account of a file that is not there is hard to read.
absl::Status CheckReadable(const char* what, const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "r");
  if (file == nullptr) return CannotUse(what, path, std::strerror(errno));
  std::fclose(file);
  return absl::OkStatus();
}

/// Instead of OpenSSL's default, which asks on the terminal. `asked` points to a bool.
int NoPassphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

absl::Status UseKey(SSL_CTX* ctx, const TlsProfile& profile) {
  constexpr const char* kWhat = "key_file";
  RETURN_IF_ERROR(CheckReadable(kWhat, profile.key_file));
  bool encrypted = false;
  SSL_CTX_set_default_passwd_cb(ctx, &NoPassphrase);
  SSL_CTX_set_default_passwd_cb_userdata(ctx, &encrypted);
  const bool used =
      SSL_CTX_use_PrivateKey_file(ctx, profile.key_file.c_str(), SSL_FILETYPE_PEM) == 1;
  SSL_CTX_set_default_passwd_cb(ctx, nullptr);
  SSL_CTX_set_default_passwd_cb_userdata(ctx, nullptr);
  if (encrypted) {
    return CannotUse(kWhat, profile.key_file, "is encrypted; a key without passphrase is needed");
  }
  const bool other_key = !used && ERR_GET_LIB(ERR_peek_last_error()) == ERR_LIB_X509;
  if (other_key || (used && SSL_CTX_check_private_key(ctx) != 1)) {
    return CannotUse(kWhat, profile.key_file,
                     Concat("is not the key of the certificate in ", profile.certificate_file));
  }
  if (used) return absl::OkStatus();
  return CannotUse(kWhat, profile.key_file, Concat("is no private key in PEM: ", LastSslError()));
}

absl::Status UseCertificate(SSL_CTX* ctx, const TlsProfile& profile) {
  if (profile.certificate_file.empty() && profile.key_file.empty()) return absl::OkStatus();
  if (profile.certificate_file.empty() || profile.key_file.empty()) {
    return absl::InvalidArgumentError("certificate_file and key_file are given together");
  }
  constexpr const char* kWhat = "certificate_file";
  RETURN_IF_ERROR(CheckReadable(kWhat, profile.certificate_file));
  if (SSL_CTX_use_certificate_chain_file(ctx, profile.certificate_file.c_str()) != 1) {
    return CannotUse(kWhat, profile.certificate_file,
                     Concat("is no usable certificate in PEM: ", LastSslError()));
  }
  return UseKey(ctx, profile);
}

absl::Status TrustAuthorities(SSL_CTX* ctx, const TlsProfile& profile) {
  if (SSL_CTX_set_default_verify_paths(ctx) != 1) {
    return absl::InvalidArgumentError(Concat("the system's trust store: ", LastSslError()));
  }
  if (profile.ca_file.empty()) return absl::OkStatus();
  constexpr const char* kWhat = "ca_file";
  RETURN_IF_ERROR(CheckReadable(kWhat, profile.ca_file));
  if (SSL_CTX_load_verify_file(ctx, profile.ca_file.c_str()) != 1) {
    return CannotUse(kWhat, profile.ca_file,
                     Concat("holds no certificate in PEM: ", LastSslError()));
  }
  return absl::OkStatus();
}

}  // namespace

void SslContextDeleter::operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }

absl::StatusOr<SslContextPtr> MakeTlsContext(const TlsProfile& profile, TlsVersion min_version) {
  const ErrorQueue errors;
  SslContextPtr context(SSL_CTX_new(TLS_client_method()));
  FETCHD_CHECK(context != nullptr);
  SSL_CTX* ctx = context.get();
  const bool only_13 = profile.min_version.value_or(min_version) == TlsVersion::k13;
  SSL_CTX_set_min_proto_version(ctx, only_13 ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_security_level(ctx, 2);
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_verify_depth(ctx, 10);
  SSL_CTX_set_read_ahead(ctx, 1);
  SSL_CTX_set_default_read_buffer_len(ctx, kReadBufferBytes);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  InstallClientCallbacks(ctx);
  RETURN_IF_ERROR(TrustAuthorities(ctx, profile));
  RETURN_IF_ERROR(UseCertificate(ctx, profile));
  return context;
}

}  // namespace fetchd::net
