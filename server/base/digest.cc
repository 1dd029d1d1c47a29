#include "base/digest.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "base/big_endian.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "base/digest_state.h"
#include "base/strings.h"

namespace fetchd {
namespace {

struct AlgorithmFacts {
  DigestAlgorithm algorithm;
  const char* name;
  std::size_t size_bytes;
};

constexpr std::array<AlgorithmFacts, 5> kAlgorithms = {{
    {DigestAlgorithm::kSha256, "sha256", 32},
    {DigestAlgorithm::kSha384, "sha384", 48},
    {DigestAlgorithm::kSha512, "sha512", 64},
    {DigestAlgorithm::kMd5, "md5", 16},
    {DigestAlgorithm::kCrc32c, "crc32c", 4},
}};

const AlgorithmFacts& FactsOf(DigestAlgorithm algorithm) {
  return *std::ranges::find(kAlgorithms, algorithm, &AlgorithmFacts::algorithm);
}

/// Null for a name that is none.
const AlgorithmFacts* FindAlgorithm(std::string_view name) {
  const auto* facts = std::ranges::find_if(kAlgorithms, [name](const AlgorithmFacts& candidate) {
    return EqualsIgnoreCase(candidate.name, name);
  });
  return facts == kAlgorithms.end() ? nullptr : facts;
}

constexpr std::string_view kSavedMagic = "FDG\x01";  ///< The last is the version.

std::uint32_t ChecksumOf(std::string_view saved) {
  return ExtendCrc32c(0, std::as_bytes(std::span(saved)));
}

void PutSized(std::string_view bytes, std::string& to) {
  PutBigEndian(static_cast<std::uint8_t>(bytes.size()), to);
  to += bytes;
}

bool TakeSized(std::string_view& from, std::string_view& bytes) {
  std::uint8_t size = 0;
  if (!TakeBigEndian(from, size) || from.size() < size) return false;
  bytes = from.substr(0, size);
  from.remove_prefix(size);
  return true;
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
  const AlgorithmFacts* facts = FindAlgorithm(name);
  if (facts == nullptr) return BadDigest();
  std::optional<std::string> bytes =
      text[separator] == ':' ? HexDecode(value) : Base64Decode(value);
  if (!bytes || bytes->size() != facts->size_bytes) return BadDigest();
  return Digest{facts->algorithm, *std::move(bytes)};
}

std::string Digest::ToSri() const {
  return Concat(DigestName(algorithm), '-', Base64Encode(bytes));
}

std::string Digest::ToHex() const { return HexEncode(bytes); }

struct Digester::Running {
  DigestAlgorithm algorithm;
  std::unique_ptr<DigestState> state;
};

Digester::Digester(std::vector<DigestAlgorithm> algorithms) {
  for (const DigestAlgorithm algorithm : algorithms) {
    running_.push_back({algorithm, MakeDigestState(algorithm)});
  }
}

Digester::Digester(Digester&&) noexcept = default;
Digester& Digester::operator=(Digester&&) noexcept = default;
Digester::~Digester() = default;

void Digester::Update(std::span<const std::byte> bytes) {
  FETCHD_CHECK(!finished_);
  for (Running& running : running_) running.state->Update(bytes);
  size_bytes_ += bytes.size();
}

std::vector<Digest> Digester::Finish() {
  FETCHD_CHECK(!std::exchange(finished_, true));
  std::vector<Digest> digests;
  for (Running& running : running_) {
    digests.push_back(Digest{running.algorithm, running.state->Finish()});
  }
  return digests;
}

std::vector<DigestAlgorithm> Digester::algorithms() const {
  std::vector<DigestAlgorithm> algorithms;
  for (const Running& running : running_) algorithms.push_back(running.algorithm);
  return algorithms;
}

// "FDG", the version, how many bytes were hashed, and for each algorithm its name and its state,
// both with their length before them; the CRC-32C of all this ends it. Numbers are big-endian.
std::string Digester::Save() const {
  FETCHD_CHECK(!finished_);
  std::string saved(kSavedMagic);
  PutBigEndian(size_bytes_, saved);
  PutBigEndian(static_cast<std::uint8_t>(running_.size()), saved);
  for (const Running& running : running_) {
    PutSized(DigestName(running.algorithm), saved);
    PutSized(running.state->Save(size_bytes_), saved);
  }
  PutBigEndian(ChecksumOf(saved), saved);
  return saved;
}

std::optional<Digester> Digester::Load(std::string_view saved) {
  std::uint32_t checksum = 0;
  if (saved.size() < sizeof checksum) return std::nullopt;
  std::string_view end = saved.substr(saved.size() - sizeof checksum);
  saved.remove_suffix(sizeof checksum);
  if (!TakeBigEndian(end, checksum) || checksum != ChecksumOf(saved)) return std::nullopt;
  if (!saved.starts_with(kSavedMagic)) return std::nullopt;
  saved.remove_prefix(kSavedMagic.size());
  Digester digester({});
  std::uint8_t count = 0;
  if (!TakeBigEndian(saved, digester.size_bytes_) || !TakeBigEndian(saved, count)) {
    return std::nullopt;
  }
  for (int i = 0; i < count; ++i) {
    std::string_view name, state;
    if (!TakeSized(saved, name) || !TakeSized(saved, state)) return std::nullopt;
    const AlgorithmFacts* facts = FindAlgorithm(name);
    if (facts == nullptr) return std::nullopt;
    Running running{facts->algorithm, MakeDigestState(facts->algorithm)};
    if (!running.state->Load(state, digester.size_bytes_)) return std::nullopt;
    digester.running_.push_back(std::move(running));
  }
  if (!saved.empty()) return std::nullopt;
  return digester;
}

}  // namespace fetchd
