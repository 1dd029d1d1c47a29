// Is it the body that was asked for?
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
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
  std::uint64_t size_bytes() const { return digester_.size_bytes(); }

  /// What Resume() goes on from: see Digester::Save.
  std::string Save() const { return digester_.Save(); }
  /// As if the first `bytes` of the body had been seen, of which `saved` was saved. False, and
  /// nothing is changed, when it was not, is damaged, or lacks an algorithm that is expected now.
  bool Resume(std::string_view saved, std::uint64_t bytes);

  /// As soon as the size is known: DATA_LOSS SIZE_MISMATCH.
  absl::Status CheckSize(std::uint64_t size_bytes) const;
  /// DATA_LOSS SIZE_MISMATCH or DIGEST_MISMATCH; else sha256, first, and those that `spec` expects.
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
};

}  // namespace fetchd::fetch
