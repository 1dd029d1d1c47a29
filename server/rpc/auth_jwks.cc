#include "rpc/auth_jwks.h"

#include <cjose/error.h>
#include <cjose/jwk.h>

#include <boost/json.hpp>
#include <optional>
#include <utility>

#include "base/strings.h"

namespace fetchd::rpc {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxKeys = 100;
constexpr std::size_t kMinRsaBits = 2048;
constexpr std::size_t kMaxRsaBits = 8192;  ///< A larger one makes each verification dear.

/// Empty when there is none, or it is no text.
std::string Text(const json::object& object, const char* name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return "";
  return {value->get_string().data(), value->get_string().size()};
}

bool IsForVerification(const json::object& key) {
  const std::string use = Text(key, "use");
  if (key.contains("use") && use != "sig") return false;
  const json::value* operations = key.if_contains("key_ops");
  if (operations == nullptr) return true;
  if (!operations->is_array()) return false;
  for (const json::value& operation : operations->get_array()) {
    if (operation == "verify") return true;
  }
  return false;
}

/// By its kind; nullopt for one that is passed over.
std::optional<JwsAlgorithm> AlgorithmOf(const json::object& key) {
  std::optional<JwsAlgorithm> algorithm;
  const char* name = nullptr;
  if (Text(key, "kty") == "RSA") {
    algorithm = JwsAlgorithm::kRs256;
    name = "RS256";
  } else if (Text(key, "kty") == "EC" && Text(key, "crv") == "P-256") {
    algorithm = JwsAlgorithm::kEs256;
    name = "ES256";
  }
  if (!algorithm || !IsForVerification(key)) return std::nullopt;
  if (key.contains("alg") && Text(key, "alg") != name) return std::nullopt;
  return algorithm;
}

/// Nullopt for one that is passed over.
std::optional<VerificationKey> ReadKey(const json::object& object) {
  const auto algorithm = AlgorithmOf(object);
  if (!algorithm) return std::nullopt;
  const std::string text = json::serialize(object);
  cjose_err error{};
  VerificationKey key{Text(object, "kid"), *algorithm, nullptr};
  key.key.reset(cjose_jwk_import(text.data(), text.size(), &error));
  if (key.key == nullptr) return std::nullopt;
  const std::size_t bits = cjose_jwk_get_keysize(key.key.get(), &error);
  const bool usable =
      *algorithm == JwsAlgorithm::kEs256 || (bits >= kMinRsaBits && bits <= kMaxRsaBits);
  return usable ? std::optional(std::move(key)) : std::nullopt;
}

absl::Status CheckPublic(const json::object& key) {
  if (Text(key, "kty") == "oct") {
    return absl::InvalidArgumentError("the key set holds a symmetric key, which signs as well");
  }
  if (!key.contains("d")) return absl::OkStatus();
  return absl::InvalidArgumentError("the key set holds a private key");
}

}  // namespace

void JwkDeleter::operator()(cjose_jwk_t* key) const noexcept { cjose_jwk_release(key); }

absl::StatusOr<std::vector<VerificationKey>> ParseJwks(std::string_view text) {
  boost::system::error_code error;
  const json::value set = json::parse({text.data(), text.size()}, error);
  const json::value* list =
      !error && set.is_object() ? set.get_object().if_contains("keys") : nullptr;
  if (list == nullptr || !list->is_array()) {
    return absl::InvalidArgumentError("no JSON Web Key Set: expects {\"keys\": [...]}");
  }
  if (list->get_array().size() > kMaxKeys) {
    return absl::InvalidArgumentError(Concat("the key set holds more than ", kMaxKeys, " keys"));
  }
  std::vector<VerificationKey> keys;
  for (const json::value& item : list->get_array()) {
    if (!item.is_object()) return absl::InvalidArgumentError("a key of the set is no object");
    RETURN_IF_ERROR(CheckPublic(item.get_object()));
    if (auto key = ReadKey(item.get_object())) keys.push_back(*std::move(key));
  }
  if (!keys.empty()) return keys;
  return absl::InvalidArgumentError(
      "the key set holds no key for RS256 (2,048 to 8,192 bits) or ES256");
}

}  // namespace fetchd::rpc
