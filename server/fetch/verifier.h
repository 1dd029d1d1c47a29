// Is it the body that was asked for?
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/digest.h"
#include "jobs/job.h"

namespace fetchd::fetch {

/// Size and digests over one pass of a body. Belongs to one transfer.
class Verifier {
 public:
  /// Computes sha256 always, and each algorithm that `spec` expects.
  explicit Verifier(const jobs::FetchSpec& spec);

  /// Also forgets what was declared.
  void Reset();
  /// What the origin says of the body, instead of what it said before. Algorithms that nobody
  /// expects are computed too when no byte has come yet, else left out.
  void Declare(std::vector<Digest> digests);
  void Update(std::span<const std::byte> bytes);
  std::uint64_t size_bytes() const { return size_bytes_; }

  /// As soon as the size is known: DATA_LOSS SIZE_MISMATCH.
  absl::Status CheckSize(std::uint64_t size_bytes) const;
  /// DATA_LOSS SIZE_MISMATCH or DIGEST_MISMATCH; else sha256 and the digests that `spec` expects.
  /// Once a body.
  absl::StatusOr<std::vector<Digest>> Finish();

 private:
  absl::Status CheckDigests(const std::vector<Digest>& actual, const std::vector<Digest>& expected,
                            const char* by) const;

  std::vector<DigestAlgorithm> algorithms_;  ///< Those of the spec first.
  std::size_t spec_algorithms_;
  std::vector<Digest> expected_;
  std::vector<Digest> declared_;
  std::optional<std::uint64_t> expected_size_;
  Digester digester_;
  std::uint64_t size_bytes_ = 0;
};

}  // namespace fetchd::fetch
