#include "net/tls.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <boost/asio/ip/address.hpp>
#include <utility>

#include "base/check.h"
#include "base/strings.h"
#include "net/tls_client_state.h"
#include "net/tls_context.h"

namespace fetchd::net {

namespace {

constexpr std::size_t kMaxSessionServers = 4096;
/// ALPN protocol lists (RFC 7301): a size byte before each name.
constexpr std::string_view kHttp11 = "\x08http/1.1";
constexpr std::string_view kHttp2AndHttp11 = "\x02h2\x08http/1.1";

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
  SslContextPtr context;
  std::shared_ptr<const TlsPins> pins;  ///< Null = none.
  std::shared_ptr<TlsSessionCache> sessions = std::make_shared<TlsSessionCache>(kMaxSessionServers);

  static absl::StatusOr<std::unique_ptr<Context>> Make(const TlsProfile& profile,
                                                       TlsVersion min_version) {
    auto made = std::make_unique<Context>();
    ASSIGN_OR_RETURN(made->context, MakeTlsContext(profile, min_version));
    ASSIGN_OR_RETURN(TlsPins pins, ParsePins(profile.pins));
    if (!pins.empty()) made->pins = std::make_shared<const TlsPins>(std::move(pins));
    return made;
  }
};

absl::Status CheckPin(std::string_view pin) { return ParsePins({std::string(pin)}).status(); }

TlsContexts::TlsContexts() = default;
TlsContexts::~TlsContexts() = default;

absl::StatusOr<std::shared_ptr<TlsContexts>> TlsContexts::Create(
    std::map<std::string, TlsProfile> profiles) {
  const TlsVersion min_version = profiles[""].min_version.value_or(TlsVersion::k12);
  std::shared_ptr<TlsContexts> contexts(new TlsContexts);
  for (const auto& [name, profile] : profiles) {
    absl::StatusOr<std::unique_ptr<Context>> context = Context::Make(profile, min_version);
    if (!context.ok()) {
      return WithPrefix(context.status(), name.empty() ? std::string("default TLS profile")
                                                       : Concat("TLS profile \"", name, '"'));
    }
    contexts->contexts_.emplace(name, *std::move(context));
  }
  return contexts;
}

bool TlsContexts::Has(std::string_view profile) const { return contexts_.contains(profile); }

absl::StatusOr<SslPtr> TlsContexts::NewClient(const TlsTarget& target, SteadyTime now) const {
  const auto found = contexts_.find(target.profile);
  if (found == contexts_.end()) {
    return absl::InvalidArgumentError(Concat("no TLS profile is called \"", target.profile, "\""));
  }
  const Context& context = *found->second;
  SslPtr ssl(SSL_new(context.context.get()));
  if (ssl == nullptr) return absl::ResourceExhaustedError("no memory for a TLS connection");
  ExpectHost(ssl.get(), target.host);
  OfferProtocols(ssl.get(), target.offer_http2 ? kHttp2AndHttp11 : kHttp11);
  auto state = std::make_unique<TlsClientState>();
  state->host = target.host;
  state->sessions = context.sessions;
  state->server = Concat(target.host, " ", target.port, " ", target.route);
  state->began = now;
  state->pins = context.pins;
  if (const TlsSession offered = context.sessions->Take(state->server, now); offered.session) {
    state->offered_verified_at = offered.verified_at;
    SSL_set_session(ssl.get(), offered.session.get());
  }
  AttachClientState(ssl.get(), std::move(state));
  SSL_set_connect_state(ssl.get());
  return ssl;
}

}  // namespace fetchd::net
