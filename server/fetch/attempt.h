// What the parts of one attempt share.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "fetch/engine.h"
#include "fetch/resume.h"
#include "fetch/shared_reads.h"
#include "fetch/spare_transfers.h"
#include "sink/buffer.h"

namespace fetchd::fetch {

/// Where the bytes of a transfer go. One task at a time, on the transfer's shard.
class Target {
 public:
  virtual ~Target() = default;
  /// The origin does not go on with what was kept: drop it; the body begins at 0. An error ends the
  /// transfer.
  virtual Task<absl::Status> Restart() = 0;
  /// The body follows from `offset`, or none (AttemptFacts::not_modified). `validator` is what a
  /// later attempt may resume with.
  virtual Task<absl::Status> Begin(const http::Response& response, std::uint64_t offset,
                                   std::optional<std::uint64_t> total_bytes,
                                   const Validator& validator) = 0;
  virtual Task<absl::Status> Write(std::uint64_t offset, sink::Buffer bytes) = 0;
  /// What had come, and was not written yet, when the transfer was stopped. Called as it goes.
  virtual void KeepRest(sink::Buffer /*bytes*/) {}

  /// As those of sink::Sink.
  virtual bool CanWriteAhead() const { return false; }
  virtual std::uint64_t NextMark(std::uint64_t /*size_bytes*/) const { return 0; }
  virtual bool TryMakeRoom(std::uint64_t /*end*/) { return true; }
  virtual Task<absl::Status> WriteAhead(std::uint64_t offset, std::span<const std::byte> bytes);
  virtual Task<absl::StatusOr<std::size_t>> ReadBack(std::uint64_t offset,
                                                     std::span<std::byte> out);
  virtual std::span<const std::byte> Held(std::uint64_t /*offset*/) const { return {}; }
  virtual Task<absl::Status> Advance(std::uint64_t bytes);
};

/// Facts of one attempt, kept up to date while it runs: they are there also when it was stopped.
struct AttemptFacts {
  std::string span_id = RandomSpanId();  ///< Its own, in the trace of the specification.
  std::vector<http::ExchangeRecord> hops;
  Duration buffer_wait{};
  Duration rate_wait{};  ///< For the limits on bytes a second.
  std::uint64_t resumed_from_bytes = 0;
  std::uint64_t received_bytes = 0;
  Duration body_took{};  ///< Until it ended, waits for the target included.
  bool restarted = false;
  bool not_modified = false;  ///< A condition did not hold: there is no body.
  /// Where it is, or where it failed. kPoolWait: see the last hop.
  Phase phase = Phase::kPoolWait;
  int http_status = 0;  ///< Of the last head; 0 = none.
  std::optional<Duration> retry_after;
  std::optional<Duration> wanted_pause;  ///< Of the last head: see WantedPause.
  std::optional<Origin> answered_by;     ///< Who sent the last head; empty = nobody yet.
  std::optional<Duration> held_for;      ///< Until the origin may be asked that a redirect led to.
  bool retryable = false;                ///< Of the error.
  jobs::SegmentsRecord segments;         ///< Of a body that was read in pieces.
};

/// What may still be stored of a body for its tenant.
struct StorageRoom {
  std::uint64_t bytes = 0;
  absl::Status exceeded;  ///< The error of a larger one.
};

/// What every transfer of a shard shares. References outlive it.
struct TransferDeps {
  Clock& clock;
  http::Client& client;
  egress::SubjectPtr subject;  ///< Never null.
  sink::BufferPool& buffers;
  const EngineConfig& config;
  OriginPacer& pacer;
  ByteRate& bandwidth;                             ///< Of all transfers, by config.bandwidth.
  std::function<void(const Origin&)> count_retry;  ///< Of what is tried again later.
  SharedReads* shared_reads = nullptr;             ///< Null: nothing is shared.
  SpareTransfers* spares = nullptr;                ///< Null: bodies are read over one connection.
  /// Of all transfers of the tenant, by tenants.<name>.bytes_per_sec; null: no limit of its own.
  std::shared_ptr<ByteRate> tenant_rate = nullptr;
  std::uint64_t tenant_bytes_per_sec = 0;
  /// Of that, the part that is this process's; null: all.
  std::function<double()> part_of_tenant_rate = nullptr;
};

}  // namespace fetchd::fetch
