// Undoes content codings for who asks for it, over another client.
#pragma once

#include "base/semaphore.h"
#include "http/client.h"

namespace fetchd::http {

/// Decorates `inner`; lives on its shard. Requests without `decode` pass unchanged. Of the others a
/// response with a body, of status 2xx but 206, is decoded: its Content-Length then says nothing
/// about the body any more; its fields stay as they came. Waits up to 30 s for the memory that the
/// decoders of br and zstd may take; the record of the exchange says so.
/// Errors besides inner's: UNAVAILABLE, reason DECODE_MEMORY; FAILED_PRECONDITION, reason
/// CONTENT_CODING_NOT_SUPPORTED; those of DecodingBody while it is read.
class DecodingClient final : public Client {
 public:
  /// `memory`: of all decoders of the process, in bytes.
  DecodingClient(Client& inner, Clock& clock, Semaphore& memory)
      : inner_(inner), clock_(clock), memory_(memory) {}

  Task<absl::StatusOr<Response>> Send(Request request, Call call) override;

 private:
  Task<absl::StatusOr<Permit>> Reserve(std::uint64_t bytes, Call call);

  Client& inner_;
  Clock& clock_;
  Semaphore& memory_;
};

}  // namespace fetchd::http
