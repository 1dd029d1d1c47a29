#include "fetch/verifier.h"

#include <algorithm>

#include "base/strings.h"

namespace fetchd::fetch {
namespace {

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
      expected_(spec.digests),
      expected_size_(spec.expected_size),
      digester_(algorithms_) {}

void Verifier::Reset() {
  digester_ = Digester(algorithms_);
  size_bytes_ = 0;
}

void Verifier::Update(std::span<const std::byte> bytes) {
  digester_.Update(bytes);
  size_bytes_ += bytes.size();
}

absl::Status Verifier::CheckSize(std::uint64_t size_bytes) const {
  if (!expected_size_ || *expected_size_ == size_bytes) return absl::OkStatus();
  return WithReason(
      absl::DataLossError(
          Concat("expected ", *expected_size_, " bytes, the body has ", size_bytes)),
      {"SIZE_MISMATCH", {{"expected", Concat(*expected_size_)}, {"actual", Concat(size_bytes)}}});
}

absl::StatusOr<std::vector<Digest>> Verifier::Finish() {
  RETURN_IF_ERROR(CheckSize(size_bytes_));
  std::vector<Digest> digests = digester_.Finish();
  for (const Digest& expected : expected_) {
    const auto actual = std::ranges::find(digests, expected.algorithm, &Digest::algorithm);
    if (actual->bytes == expected.bytes) continue;
    return WithReason(
        absl::DataLossError(
            Concat("expected ", expected.ToSri(), ", the body has ", actual->ToSri())),
        {"DIGEST_MISMATCH", {{"expected", expected.ToSri()}, {"actual", actual->ToSri()}}});
  }
  return digests;
}

}  // namespace fetchd::fetch
