#include "fetch/body_reader.h"

#include <algorithm>

namespace fetchd::fetch {

bool IsRateLimited(const TransferDeps& deps, const Origin& origin) {
  return deps.tenant_rate != nullptr || deps.config.bandwidth.At(deps.clock.WallNow()) ||
         deps.pacer.StateOf(origin).limits.bytes_per_sec;
}

bool IsPassing(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kResourceExhausted:
      return true;
    default:
      return false;
  }
}

Task<absl::StatusOr<sink::Buffer>> BodyReader::Acquire(std::optional<std::uint64_t> left_bytes,
                                                       Deadline deadline) {
  const std::size_t most = BufferBytes();
  const auto wanted =
      static_cast<std::size_t>(std::min<std::uint64_t>(left_bytes.value_or(most), most));
  Clock& clock = deps_.transfer.clock;
  const SteadyTime from = clock.Now();
  const AttemptClock::Pause pause(deps_.time);
  absl::StatusOr<sink::Buffer> buffer =
      co_await deps_.transfer.buffers.Acquire(wanted, clock, deadline, deps_.use);
  deps_.facts.buffer_wait += clock.Now() - from;
  co_return buffer;
}

// Of a transfer that is to be slow, small ones: so that its bytes come evenly.
std::size_t BodyReader::BufferBytes() const {
  constexpr std::uint64_t kSmallest = 4096, kBuffersASecond = 8;
  if (!deps_.spec.max_bytes_per_sec) return deps_.buffer_bytes;
  const std::uint64_t even = std::max(*deps_.spec.max_bytes_per_sec / kBuffersASecond, kSmallest);
  return static_cast<std::size_t>(std::min<std::uint64_t>(deps_.buffer_bytes, even));
}

Task<absl::Status> BodyReader::Fill(http::Body& body, std::optional<std::uint64_t> left_bytes,
                                    sink::Buffer& buffer, bool& ended) {
  std::uint64_t left = left_bytes.value_or(buffer.capacity());
  do {
    const std::span<std::byte> space = buffer.free_space();
    const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(space.size(), left));
    const absl::StatusOr<std::size_t> got = co_await body.Read(space.first(most));
    CO_RETURN_IF_ERROR(got.status());
    ended = *got == 0;
    buffer.Grow(*got);
    left -= *got;
    deps_.facts.received_bytes += *got;
  } while (!ended && left > 0 && !buffer.full() && body.Buffered() > 0);
  co_return absl::OkStatus();
}

SteadyTime BodyReader::TakeFromRates(std::uint64_t bytes, SteadyTime now) {
  const TransferDeps& transfer = deps_.transfer;
  SteadyTime until = rate_.Take(bytes, deps_.spec.max_bytes_per_sec, now);
  until = std::max(until, transfer.pacer.TakeBytes(*deps_.facts.answered_by, bytes, now));
  const auto limit = transfer.config.bandwidth.At(transfer.clock.WallNow());
  until = std::max(until, transfer.bandwidth.Take(bytes, limit, now));
  if (transfer.tenant_rate != nullptr) {
    const double part = transfer.part_of_tenant_rate ? transfer.part_of_tenant_rate() : 1;
    const auto rate =
        static_cast<std::uint64_t>(static_cast<double>(transfer.tenant_bytes_per_sec) * part);
    until =
        std::max(until, transfer.tenant_rate->Take(bytes, std::max<std::uint64_t>(rate, 1), now));
  }
  return until;
}

Task<absl::Status> BodyReader::WaitForRates(std::uint64_t bytes, Deadline deadline) {
  const TransferDeps& transfer = deps_.transfer;
  const SteadyTime now = transfer.clock.Now();
  const SteadyTime until = TakeFromRates(bytes, now);
  if (until <= now) co_return absl::OkStatus();
  const AttemptClock::Pause pause(deps_.time);
  deps_.facts.rate_wait += std::min(until, deadline.at()) - now;
  co_await transfer.clock.SleepUntil(std::min(until, deadline.at()));
  if (!deadline.Passed(transfer.clock)) co_return absl::OkStatus();
  co_return absl::DeadlineExceededError("while the limits on bytes a second were kept");
}

Task<absl::Status> BodyReader::ExpectEnd(http::Body& body) {
  std::byte probe[1];
  const absl::StatusOr<std::size_t> got = co_await body.Read(probe);
  CO_RETURN_IF_ERROR(got.status());
  if (*got != 0) co_return absl::DataLossError("the body is longer than announced");
  co_return absl::OkStatus();
}

}  // namespace fetchd::fetch
