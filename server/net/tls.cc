#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <boost/asio/ip/address.hpp>
#include <utility>

#include "base/check.h"
#include "base/strings.h"
#include "net/tls_session_cache.h"

namespace fetchd::net {

namespace {

constexpr std::size_t kMaxSessionServers = 4096;
/// ALPN protocol lists (RFC 7301): a size byte before each name.
constexpr std::string_view kHttp11 = "\x08http/1.1";
constexpr std::string_view kHttp2AndHttp11 = "\x02h2\x08http/1.1";
/// Two records of full length (RFC 8446 5.2). OpenSSL moves all that it has read ahead with every
/// record: a larger buffer saves fewer system calls than it costs in copies.
constexpr std::size_t kReadBufferBytes = std::size_t{2} * (5 + 16384 + 256);

/// Where the sessions of one SSL go.
struct SessionHome {
  std::shared_ptr<TlsSessionCache> cache;
  std::string server;
};

void FreeSessionHome(void*, void* home, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<SessionHome*>(home);
}

int SessionHomeIndex() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, &FreeSessionHome);
  return index;
}

/// OpenSSL calls this with every new session: at the end of a TLS 1.2 handshake, in a later read
/// with TLS 1.3. Returning 1 keeps the reference.
int OnNewSession(SSL* ssl, SSL_SESSION* session) {
  const auto* home = static_cast<SessionHome*>(SSL_get_ex_data(ssl, SessionHomeIndex()));
  if (home == nullptr || SSL_SESSION_is_resumable(session) == 0) return 0;
  home->cache->Put(home->server, SessionPtr(session));
  return 1;
}

std::string LastSslError() {
  char text[256];
  ERR_error_string_n(ERR_peek_last_error(), text, sizeof text);
  ERR_clear_error();
  return text;
}

struct ContextDeleter {
  void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
};
using ContextPtr = std::unique_ptr<SSL_CTX, ContextDeleter>;

absl::StatusOr<ContextPtr> MakeContext(const std::string& name, const TlsProfile& profile) {
  ContextPtr context(SSL_CTX_new(TLS_client_method()));
  FETCHD_CHECK(context != nullptr);
  SSL_CTX* ctx = context.get();
  SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
  SSL_CTX_set_security_level(ctx, 2);
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_verify_depth(ctx, 10);
  SSL_CTX_set_read_ahead(ctx, 1);
  SSL_CTX_set_default_read_buffer_len(ctx, kReadBufferBytes);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(ctx, &OnNewSession);
  if (SSL_CTX_set_default_verify_paths(ctx) != 1) {
    return absl::InvalidArgumentError(
        Concat("TLS profile \"", name, "\": the system's trust store: ", LastSslError()));
  }
  if (!profile.ca_file.empty() && SSL_CTX_load_verify_file(ctx, profile.ca_file.c_str()) != 1) {
    return absl::InvalidArgumentError(Concat("TLS profile \"", name, "\": cannot read CA file ",
                                             profile.ca_file, ": ", LastSslError()));
  }
  ERR_clear_error();
  return context;
}

void OfferProtocols(SSL* ssl, std::string_view protocols) {
  FETCHD_CHECK(SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(protocols.data()),
                                   static_cast<unsigned>(protocols.size())) == 0);
}

/// Whom the certificate must name, and SNI.
void ExpectHost(SSL* ssl, const std::string& host) {
  X509_VERIFY_PARAM* verify = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(
      verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  boost::system::error_code not_an_address;
  boost::asio::ip::make_address(host, not_an_address);
  if (!not_an_address) {
    FETCHD_CHECK(X509_VERIFY_PARAM_set1_ip_asc(verify, host.c_str()) == 1);
  } else {
    FETCHD_CHECK(X509_VERIFY_PARAM_set1_host(verify, host.data(), host.size()) == 1);
    FETCHD_CHECK(SSL_set_tlsext_host_name(ssl, host.c_str()) == 1);
  }
}

}  // namespace

void SslDeleter::operator()(SSL* ssl) const noexcept { SSL_free(ssl); }

struct TlsContexts::Context {
  ContextPtr context;
  std::shared_ptr<TlsSessionCache> sessions = std::make_shared<TlsSessionCache>(kMaxSessionServers);
};

TlsContexts::TlsContexts() = default;
TlsContexts::~TlsContexts() = default;

absl::StatusOr<std::shared_ptr<TlsContexts>> TlsContexts::Create(
    std::map<std::string, TlsProfile> profiles) {
  profiles.try_emplace("");
  std::shared_ptr<TlsContexts> contexts(new TlsContexts);
  for (const auto& [name, profile] : profiles) {
    auto entry = std::make_unique<Context>();
    ASSIGN_OR_RETURN(entry->context, MakeContext(name, profile));
    contexts->contexts_.emplace(name, std::move(entry));
  }
  return contexts;
}

bool TlsContexts::Has(std::string_view profile) const { return contexts_.contains(profile); }

absl::StatusOr<SslPtr> TlsContexts::NewClient(std::string_view profile, const std::string& host,
                                              std::uint16_t port, bool offer_http2,
                                              std::string_view route) const {
  const auto found = contexts_.find(profile);
  if (found == contexts_.end()) {
    return absl::InvalidArgumentError(Concat("no TLS profile is called \"", profile, "\""));
  }
  const Context& context = *found->second;
  SslPtr ssl(SSL_new(context.context.get()));
  if (ssl == nullptr) return absl::ResourceExhaustedError("no memory for a TLS connection");
  ExpectHost(ssl.get(), host);
  OfferProtocols(ssl.get(), offer_http2 ? kHttp2AndHttp11 : kHttp11);
  auto home = std::make_unique<SessionHome>(context.sessions, Concat(host, " ", port, " ", route));
  if (const SessionPtr session = context.sessions->Take(home->server)) {
    SSL_set_session(ssl.get(), session.get());
  }
  SSL_set_ex_data(ssl.get(), SessionHomeIndex(), home.release());
  SSL_set_connect_state(ssl.get());
  return ssl;
}

}  // namespace fetchd::net
