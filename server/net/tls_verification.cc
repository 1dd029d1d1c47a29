#include "net/tls_verification.h"

#include <openssl/sha.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>

#include "base/strings.h"

namespace fetchd::net {

namespace {

constexpr std::size_t kMaxNameBytes = 200;

/// RFC 4514, controls and what is not ASCII escaped.
std::string PrintName(const X509_NAME* name) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), &BIO_free);
  if (out == nullptr || X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253) < 0) return {};
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return {text, std::min(static_cast<std::size_t>(std::max(size, 0L)), kMaxNameBytes)};
}

bool HasKeyOf(const TlsPins& pins, X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (size <= 0) return false;
  TlsPins::value_type digest;
  SHA256(der, static_cast<std::size_t>(size), digest.data());
  OPENSSL_free(der);
  return std::ranges::find(pins, digest) != pins.end();
}

bool AnyPinned(const TlsPins& pins, const STACK_OF(X509) * chain) {
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    if (HasKeyOf(pins, sk_X509_value(chain, i))) return true;
  }
  return false;
}

/// What OpenSSL found, and where.
struct Finding {
  int error;
  X509* certificate;  ///< May be null.
  int depth;          ///< 0 = the server's own.
  int sent;           ///< Certificates that the server sent.
  const std::string& host;

  std::string Subject() const {
    return certificate == nullptr ? "" : PrintName(X509_get_subject_name(certificate));
  }
  std::string Issuer() const {
    return certificate == nullptr ? "" : PrintName(X509_get_issuer_name(certificate));
  }
  /// "the certificate", or which one of the authorities above it.
  std::string Which() const {
    return depth == 0 ? "the certificate"
                      : Concat("the authority's certificate \"", Subject(), '"');
  }
};

TlsRefusal WrongHost(const Finding& found) {
  X509* certificate = found.certificate;
  if (certificate != nullptr && X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1) < 0) {
    return {"COMMON_NAME_ONLY", Concat("wrong host: the certificate does not name ", found.host,
                                       ": it has no subjectAltName, and a common name does not "
                                       "count")};
  }
  return {"WRONG_HOST", Concat("wrong host: the certificate does not name ", found.host)};
}

TlsRefusal UnknownIssuer(const Finding& found) {
  std::string message =
      Concat("unknown issuer: no trusted authority signed it; \"", found.Issuer(), "\" did");
  if (found.depth == 0 && found.sent == 1) {
    message += ", and the server sent no intermediate certificate";
  }
  return {"UNKNOWN_ISSUER", std::move(message)};
}

TlsRefusal RefusalFor(const Finding& found) {
  switch (found.error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return {"EXPIRED", Concat(found.Which(), " has expired")};
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return {"NOT_YET_VALID", Concat(found.Which(), " is not valid yet")};
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return WrongHost(found);
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return {"SELF_SIGNED", "the certificate is self-signed"};
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return {"UNKNOWN_ISSUER", Concat("unknown issuer: the chain ends in \"", found.Subject(),
                                       "\", which is not trusted")};
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return UnknownIssuer(found);
    case X509_V_ERR_INVALID_CA:
    case X509_V_ERR_KEYUSAGE_NO_CERTSIGN:
      return {"NOT_A_CA", Concat("\"", found.Subject(), "\" may not sign certificates")};
    case X509_V_ERR_PATH_LENGTH_EXCEEDED:
      return {"NOT_A_CA", Concat("\"", found.Subject(), "\" may not sign for other authorities")};
    case X509_V_ERR_PERMITTED_VIOLATION:
    case X509_V_ERR_EXCLUDED_VIOLATION:
      return {"NAME_CONSTRAINTS", "an authority above the certificate may not sign for this name"};
    case X509_V_ERR_INVALID_PURPOSE:
      return {"WRONG_PURPOSE", Concat(found.Which(), " is not for TLS servers")};
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
      return {"WEAK_KEY", Concat("the key of ", found.Which(), " is too short")};
    case X509_V_ERR_CA_MD_TOO_WEAK:
      return {"WEAK_SIGNATURE", Concat(found.Which(), " is signed with a broken hash function")};
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return {"BAD_SIGNATURE", Concat("the signature on ", found.Which(), " is wrong")};
    default:
      return {"OTHER", Concat(found.Which(), " is refused: ",
                              std::string_view(X509_verify_cert_error_string(found.error)))};
  }
}

}  // namespace

absl::StatusOr<TlsPins> ParsePins(const std::vector<std::string>& pins) {
  TlsPins parsed;
  for (const std::string& pin : pins) {
    const std::optional<std::string> bytes = Base64Decode(pin);
    TlsPins::value_type digest;
    if (!bytes || bytes->size() != digest.size()) {
      return absl::InvalidArgumentError(
          Concat('"', pin,
                 "\" is no pin: expects the base64 of the SHA-256 of a public key, 44 "
                 "characters"));
    }
    std::ranges::copy(*bytes, digest.begin());
    parsed.push_back(digest);
  }
  return parsed;
}

std::optional<TlsRefusal> VerifyChain(X509_STORE_CTX* chain, const TlsPins* pins,
                                      const std::string& host) {
  if (X509_verify_cert(chain) == 1) {
    if (pins == nullptr || AnyPinned(*pins, X509_STORE_CTX_get0_chain(chain))) return std::nullopt;
    X509_STORE_CTX_set_error(chain, X509_V_ERR_APPLICATION_VERIFICATION);
    return TlsRefusal{"PIN_MISMATCH", "no certificate of the chain has a key that is pinned"};
  }
  // Out of memory, for one, is no error of the certificate's; it must not pass for none.
  if (X509_STORE_CTX_get_error(chain) == X509_V_OK) {
    X509_STORE_CTX_set_error(chain, X509_V_ERR_UNSPECIFIED);
  }
  return RefusalFor({X509_STORE_CTX_get_error(chain), X509_STORE_CTX_get_current_cert(chain),
                     X509_STORE_CTX_get_error_depth(chain),
                     sk_X509_num(X509_STORE_CTX_get0_untrusted(chain)), host});
}

}  // namespace fetchd::net
