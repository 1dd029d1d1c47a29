#include "fetch/verifier.h"

#include <algorithm>

#include "base/strings.h"

namespace fetchd::fetch {
namespace {

constexpr std::size_t kMaxSaved = 64;  ///< More than parts of an object are on their way at a time.

std::vector<DigestAlgorithm> AlgorithmsOf(const jobs::FetchSpec& spec) {
  std::vector<DigestAlgorithm> algorithms = {DigestAlgorithm::kSha256};
  for (const Digest& digest : spec.digests) {
    if (std::ranges::find(algorithms, digest.algorithm) == algorithms.end())
      algorithms.push_back(digest.algorithm);
  }
  return algorithms;
}

}  // namespace

Verifier::Verifier(const jobs::FetchSpec& spec)
    : algorithms_(AlgorithmsOf(spec)),
      spec_algorithms_(algorithms_.size()),
      expected_(spec.digests),
      expected_size_(spec.expected_size),
      digester_(algorithms_) {}

void Verifier::Reset() {
  saved_.clear();
  finished_ = false;
  digester_ = Digester(algorithms_);
  declared_.clear();
}

void Verifier::Declare(std::vector<Digest> digests) {
  const auto computed = [this](const Digest& digest) {
    return std::ranges::find(algorithms_, digest.algorithm) != algorithms_.end();
  };
  if (size_bytes() == 0) {
    for (const Digest& digest : digests) {
      if (!computed(digest)) algorithms_.push_back(digest.algorithm);
    }
    digester_ = Digester(algorithms_);
  }
  std::erase_if(digests, [&](const Digest& digest) { return !computed(digest); });
  // A trailer replaces what the header said of its algorithm, and unsays nothing else.
  for (Digest& digest : digests) {
    std::erase_if(declared_,
                  [&](const Digest& said) { return said.algorithm == digest.algorithm; });
    declared_.push_back(std::move(digest));
  }
}

void Verifier::Update(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const std::uint64_t mark = next_mark_ ? next_mark_(size_bytes()) : 0;
    const std::uint64_t to_mark = mark == 0 ? bytes.size() : mark - size_bytes();
    const auto step = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), to_mark));
    digester_.Update(bytes.first(step));
    bytes = bytes.subspan(step);
    if (size_bytes() != mark) continue;
    saved_.emplace_back(mark, digester_.Save());
    if (saved_.size() > kMaxSaved) saved_.pop_front();
  }
}

std::string Verifier::Save(std::uint64_t bytes) const {
  for (const auto& [size, state] : saved_) {
    if (size == bytes) return state;
  }
  return bytes == size_bytes() && !finished_ ? digester_.Save() : std::string();
}

bool Verifier::Resume(std::string_view saved, std::uint64_t bytes) {
  std::optional<Digester> digester = Digester::Load(saved);
  if (!digester || digester->size_bytes() != bytes) return false;
  // Those that an origin declared may follow: what it says again is compared again.
  std::vector<DigestAlgorithm> algorithms = digester->algorithms();
  const auto expected = std::span(algorithms_).first(spec_algorithms_);
  if (algorithms.size() < expected.size() ||
      !std::ranges::equal(expected, std::span(algorithms).first(expected.size()))) {
    return false;
  }
  algorithms_ = std::move(algorithms);
  digester_ = *std::move(digester);
  return true;
}

absl::Status Verifier::CheckSize(std::uint64_t size_bytes) const {
  if (!expected_size_ || *expected_size_ == size_bytes) return absl::OkStatus();
  return WithReason(
      absl::DataLossError(
          Concat("expected ", *expected_size_, " bytes, the body has ", size_bytes)),
      {"SIZE_MISMATCH", {{"expected", Concat(*expected_size_)}, {"actual", Concat(size_bytes)}}});
}

absl::Status Verifier::CheckDigests(const std::vector<Digest>& actual,
                                    const std::vector<Digest>& expected, const char* by) const {
  for (const Digest& digest : expected) {
    const auto same = std::ranges::find(actual, digest.algorithm, &Digest::algorithm);
    if (same->bytes == digest.bytes) continue;
    return WithReason(
        absl::DataLossError(
            Concat("expected ", digest.ToSri(), by, ", the body has ", same->ToSri())),
        {"DIGEST_MISMATCH", {{"expected", digest.ToSri()}, {"actual", same->ToSri()}}});
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Digest>> Verifier::Finish() {
  RETURN_IF_ERROR(CheckSize(size_bytes()));
  finished_ = true;
  std::vector<Digest> digests = digester_.Finish();
  RETURN_IF_ERROR(CheckDigests(digests, expected_, ""));
  RETURN_IF_ERROR(CheckDigests(digests, declared_, " by the origin's word"));
  digests.resize(spec_algorithms_);
  return digests;
}

}  // namespace fetchd::fetch
