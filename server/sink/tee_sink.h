// One body to several places.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "sink/sink.h"

namespace fetchd::sink {

/// Each sink commits or fails by itself: one that fails is aborted, and the others go on; the
/// failure of the last that is left is the error of all. So is UNAVAILABLE of any one, for that may
/// work in another attempt. What is kept for a later attempt is what every one has.
class TeeSink final : public Sink {
 public:
  /// At least one.
  explicit TeeSink(std::vector<std::unique_ptr<Sink>> sinks);

  Task<absl::StatusOr<std::uint64_t>> Open(std::uint64_t resume_bytes) override;
  Task<absl::Status> Restart() override;
  void Describe(const BodyFacts& facts) override;
  bool CanReadBack() const override;
  Task<absl::StatusOr<std::size_t>> ReadBack(std::uint64_t offset,
                                             std::span<std::byte> out) override;
  Task<absl::Status> Write(std::span<const std::byte> bytes) override;
  bool CanWriteAhead() const override;
  bool TryMakeRoom(std::uint64_t end) override;
  Task<absl::Status> WriteAhead(std::uint64_t offset, std::span<const std::byte> bytes) override;
  std::span<const std::byte> Held(std::uint64_t offset) const override;
  Task<absl::Status> Advance(std::uint64_t bytes) override;
  std::uint64_t NextMark(std::uint64_t size_bytes) const override;
  Task<absl::StatusOr<std::uint64_t>> Checkpoint() override;
  /// The receipt of the first that committed; Outcomes() has them all.
  Task<absl::StatusOr<Receipt>> Commit() override;
  Task<absl::Status> Abort() override;

  /// After a Commit that was OK, of each sink in their order: its receipt, or why it failed.
  std::vector<absl::StatusOr<Receipt>> Outcomes() const;

 private:
  struct Branch {
    std::unique_ptr<Sink> sink;
    absl::Status status = {};  ///< OK while it takes part.
    std::uint64_t kept = 0;    ///< Bytes of an earlier attempt.
    Receipt receipt = {};
  };

  Task<absl::Status> Note(Branch& branch, absl::Status status);
  static bool Readable(const Branch& branch);
  template <typename Step>
  Task<absl::Status> ForEach(Step step);

  std::vector<Branch> branches_;
};

}  // namespace fetchd::sink
