// Is it the body that was asked for?
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "jobs/job.h"

namespace fetchd::fetch {

/// Size and digests over one pass of a body. Belongs to one transfer.
class Verifier {
 public:
  /// Computes sha256 always, and each algorithm that `spec` expects.
  explicit Verifier(const jobs::FetchSpec& spec);

  /// Where Save() may be asked of later, when more has been seen: `next` gives the first such size
  /// above another, 0 = none. The last 64 of them are kept.
  void SetMarks(std::function<std::uint64_t(std::uint64_t)> next) { next_mark_ = std::move(next); }
  /// Also forgets what was declared.
  void Reset();
  /// What the origin says of the body, instead of what it said before. Algorithms that nobody
  /// expects are computed too when no byte has come yet, else left out.
  void Declare(std::vector<Digest> digests);
  void Update(std::span<const std::byte> bytes);
  std::uint64_t size_bytes() const { return digester_.size_bytes(); }

  /// What Resume() goes on from, when the first `bytes` are kept: see Digester::Save. Empty when
  /// that is neither all that was seen nor a mark.
  std::string Save(std::uint64_t bytes) const;
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
  bool finished_ = false;
  std::function<std::uint64_t(std::uint64_t)> next_mark_;
  std::deque<std::pair<std::uint64_t, std::string>> saved_;  ///< At marks, in their order.
};

}  // namespace fetchd::fetch
