#include "store/key_ring.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/secret.h"
#include "base/strings.h"

namespace fetchd::store {
namespace {

absl::Status BadLine(std::size_t line, std::string_view why) {
  return absl::FailedPreconditionError(
      Concat("line ", line, " ", why, "; a key is 32 random bytes in hexadecimal or Base64"));
}

/// Base64 of URLs has two other characters; padding is asked for by neither.
std::optional<std::string> DecodeBase64(std::string_view text) {
  std::string standard(text);
  const CleansedAtEnd end(standard);
  std::ranges::replace(standard, '-', '+');
  std::ranges::replace(standard, '_', '/');
  while (standard.size() % 4 != 0) standard += '=';
  return Base64Decode(standard);
}

std::optional<Sealer> ReadKey(std::string_view text) {
  constexpr std::size_t kHexSize = 2 * Sealer::kKeyBytes;
  std::optional<std::string> key = text.size() == kHexSize ? HexDecode(text) : DecodeBase64(text);
  if (!key) return std::nullopt;
  const CleansedAtEnd end(*key);
  return key->size() == Sealer::kKeyBytes ? std::optional<Sealer>(*key) : std::nullopt;
}

std::string_view Trimmed(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return TrimWhitespace(line);
}

}  // namespace

absl::StatusOr<KeyRing> KeyRing::Parse(std::string_view text) {
  if (text.size() == Sealer::kKeyBytes) return KeyRing(Sealer(text));
  if (text.size() > kMaxTextBytes) {
    return absl::FailedPreconditionError(Concat("more than ", kMaxTextBytes, " bytes are no keys"));
  }
  std::vector<Sealer> keys;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = Trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.starts_with('#')) continue;
    std::optional<Sealer> key = ReadKey(line);
    if (!key) return BadLine(number, "is no key");
    const auto same = [&](const Sealer& other) { return other.key_id() == key->key_id(); };
    if (std::ranges::any_of(keys, same)) return BadLine(number, "has a key that is there already");
    if (keys.size() == kMaxKeys) return BadLine(number, Concat("is more than ", kMaxKeys, " keys"));
    keys.push_back(*std::move(key));
  }
  if (keys.empty()) return absl::FailedPreconditionError("there is no key");
  return KeyRing(std::move(keys));
}

absl::StatusOr<std::string> KeyRing::Open(std::string_view key_id, std::string_view sealed,
                                          std::string_view context) const {
  const Sealer* const key = Find(key_id);
  if (key != nullptr) return key->Open(sealed, context);
  if (key_id.empty()) return absl::DataLossError("a job's credentials cannot be opened by any key");
  return absl::DataLossError(Concat("a job's credentials are sealed with the key ", key_id,
                                    ", which is not among the keys of the configuration"));
}

const Sealer* KeyRing::Find(std::string_view key_id) const {
  const auto key = std::ranges::find(keys_, key_id, &Sealer::key_id);
  return key == keys_.end() ? nullptr : &*key;
}

bool KeyRing::IsFingerprintOf(std::string_view fingerprint, std::string_view content) const {
  return std::ranges::any_of(
      keys_, [&](const Sealer& key) { return key.Fingerprint(content) == fingerprint; });
}

}  // namespace fetchd::store
