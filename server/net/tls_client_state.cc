#include "net/tls_client_state.h"

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include "base/check.h"

namespace fetchd::net {

namespace {

void FreeState(void*, void* state, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<TlsClientState*>(state);
}

int StateIndex() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, &FreeState);
  return index;
}

/// With every new session: at the end of a TLS 1.2 handshake, in a later read with TLS 1.3; only
/// after the certificate was accepted. Returning 1 keeps the reference.
int OnNewSession(SSL* ssl, SSL_SESSION* session) {
  const auto* state = static_cast<TlsClientState*>(SSL_get_ex_data(ssl, StateIndex()));
  if (state == nullptr || SSL_SESSION_is_resumable(session) == 0) return 0;
  const SteadyTime verified_at =
      SSL_session_reused(ssl) == 1 ? state->offered_verified_at : state->began;
  state->sessions->Put(state->server, {SessionPtr(session), verified_at});
  return 1;
}

int OnVerify(X509_STORE_CTX* chain, void*) {
  const auto* ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
  TlsClientState& state = ClientStateOf(ssl);
  state.refusal = VerifyChain(chain, state.pins.get(), state.host);
  return state.refusal ? 0 : 1;
}

int OnCertificateWanted(SSL* ssl, void*) {
  ClientStateOf(ssl).certificate_wanted = true;
  return 1;
}

}  // namespace

void AttachClientState(SSL* ssl, std::unique_ptr<TlsClientState> state) {
  FETCHD_CHECK(SSL_set_ex_data(ssl, StateIndex(), state.get()) == 1);
  static_cast<void>(state.release());
}

TlsClientState& ClientStateOf(const SSL* ssl) {
  auto* state = static_cast<TlsClientState*>(SSL_get_ex_data(ssl, StateIndex()));
  FETCHD_CHECK(state != nullptr);
  return *state;
}

void InstallClientCallbacks(SSL_CTX* context) {
  SSL_CTX_sess_set_new_cb(context, &OnNewSession);
  SSL_CTX_set_cert_verify_callback(context, &OnVerify, nullptr);
  SSL_CTX_set_cert_cb(context, &OnCertificateWanted, nullptr);
}

}  // namespace fetchd::net
