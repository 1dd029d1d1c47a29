#include "base/digest.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/strings.h"

namespace fetchd {
namespace {

struct AlgorithmFacts {
  DigestAlgorithm algorithm;
  const char* name;
  std::size_t size_bytes;
  const EVP_MD* (*openssl)();  ///< Null for crc32c, which is ours.
};

constexpr std::array<AlgorithmFacts, 5> kAlgorithms = {{
    {DigestAlgorithm::kSha256, "sha256", 32, EVP_sha256},
    {DigestAlgorithm::kSha384, "sha384", 48, EVP_sha384},
    {DigestAlgorithm::kSha512, "sha512", 64, EVP_sha512},
    {DigestAlgorithm::kMd5, "md5", 16, EVP_md5},
    {DigestAlgorithm::kCrc32c, "crc32c", 4, nullptr},
}};

const AlgorithmFacts& FactsOf(DigestAlgorithm algorithm) {
  return *std::ranges::find(kAlgorithms, algorithm, &AlgorithmFacts::algorithm);
}

std::string BigEndian(std::uint32_t value) {
  std::string bytes;
  for (const int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<char>(value >> shift & 255));
  return bytes;
}

absl::Status BadDigest() {
  return absl::InvalidArgumentError(
      "not a digest: write \"<algorithm>-<base64>\" or \"<algorithm>:<hex>\" with the algorithm's "
      "full length, the algorithm being sha256, sha384, sha512, md5 or crc32c");
}

}  // namespace

const char* DigestName(DigestAlgorithm algorithm) { return FactsOf(algorithm).name; }

absl::StatusOr<Digest> Digest::Parse(std::string_view text) {
  const std::size_t separator = text.find_first_of("-:");
  if (separator == std::string_view::npos) return BadDigest();
  const std::string_view name = text.substr(0, separator);
  const std::string_view value = text.substr(separator + 1);
  const auto facts = std::ranges::find_if(kAlgorithms, [name](const AlgorithmFacts& candidate) {
    return EqualsIgnoreCase(candidate.name, name);
  });
  if (facts == kAlgorithms.end()) return BadDigest();
  std::optional<std::string> bytes =
      text[separator] == ':' ? HexDecode(value) : Base64Decode(value);
  if (!bytes || bytes->size() != facts->size_bytes) return BadDigest();
  return Digest{facts->algorithm, *std::move(bytes)};
}

std::string Digest::ToSri() const {
  return Concat(DigestName(algorithm), '-', Base64Encode(bytes));
}

std::string Digest::ToHex() const { return HexEncode(bytes); }

struct Digester::State {
  struct FreeContext {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  struct Running {
    DigestAlgorithm algorithm;
    std::unique_ptr<EVP_MD_CTX, FreeContext> context;  ///< Null for crc32c.
    std::uint32_t crc = 0;
  };
  std::vector<Running> running;
  bool finished = false;
};

Digester::Digester(std::vector<DigestAlgorithm> algorithms) : state_(std::make_unique<State>()) {
  for (const DigestAlgorithm algorithm : algorithms) {
    State::Running running{algorithm, nullptr};
    if (const auto openssl = FactsOf(algorithm).openssl; openssl != nullptr) {
      running.context.reset(EVP_MD_CTX_new());
      FETCHD_CHECK(EVP_DigestInit_ex(running.context.get(), openssl(), nullptr) == 1);
    }
    state_->running.push_back(std::move(running));
  }
}

Digester::Digester(Digester&&) noexcept = default;
Digester& Digester::operator=(Digester&&) noexcept = default;
Digester::~Digester() = default;

void Digester::Update(std::span<const std::byte> bytes) {
  FETCHD_CHECK(!state_->finished);
  for (State::Running& running : state_->running) {
    if (running.context == nullptr) {
      running.crc = ExtendCrc32c(running.crc, bytes);
    } else {
      FETCHD_CHECK(EVP_DigestUpdate(running.context.get(), bytes.data(), bytes.size()) == 1);
    }
  }
}

std::vector<Digest> Digester::Finish() {
  FETCHD_CHECK(!std::exchange(state_->finished, true));
  std::vector<Digest> digests;
  for (State::Running& running : state_->running) {
    std::string bytes;
    if (running.context == nullptr) {
      bytes = BigEndian(running.crc);
    } else {
      bytes.resize(FactsOf(running.algorithm).size_bytes);
      auto* out = reinterpret_cast<unsigned char*>(bytes.data());
      FETCHD_CHECK(EVP_DigestFinal_ex(running.context.get(), out, nullptr) == 1);
    }
    digests.push_back(Digest{running.algorithm, std::move(bytes)});
  }
  return digests;
}

}  // namespace fetchd
