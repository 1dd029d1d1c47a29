// Fetch and ReadBody: streams of body bytes that are never copied on their way to gRPC.
#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/strings.h"
#include "fetch/validate.h"
#include "rpc/auth_scope.h"
#include "rpc/convert_attempt.h"
#include "rpc/convert_job.h"
#include "rpc/convert_spec.h"
#include "rpc/fetch_service.h"
#include "rpc/patient_writer.h"
#include "rpc/status.h"

namespace fetchd::rpc {
namespace {

using BytesCall = WriteCall<grpc::ByteBuffer>;

constexpr std::size_t kReadBodyChunk = std::size_t{1} << 20;

/// The caller's deadline on our clock.
Deadline DeadlineOf(const grpc::CallbackServerContext& context, const Clock& clock) {
  const WallTime at = context.deadline();
  if (at == WallTime::max()) return Deadline::Never();
  return Deadline::After(clock, std::max(Duration::zero(), Duration(at - clock.WallNow())));
}

using FrameBody = grpc::ByteBuffer (*)(std::uint64_t offset, sink::Buffer bytes, LoanTerms terms);

/// Writes body bytes, whose memory is ours until gRPC lets go of it.
class StreamWriter {
 public:
  StreamWriter(BytesCall& call, Clock& clock, Duration idle, std::shared_ptr<LoanedBuffers> account)
      : writer_(call, clock, idle, "go on from the offset behind the last message"),
        clock_(clock),
        account_(std::move(account)) {}

  Task<absl::Status> Write(grpc::ByteBuffer message) {
    co_return co_await writer_.Write(std::move(message));
  }

  /// Completes when gRPC has let go of `bytes`: who asks for the next buffer has none in its hand,
  /// and cannot wait for itself.
  Task<absl::Status> WriteBody(FrameBody frame, std::uint64_t offset, sink::Buffer bytes) {
    Permit permit = in_flight_->TryAcquire(1);
    FETCHD_CHECK(permit);
    LoanTerms terms{account_, in_flight_, std::move(permit)};
    // A ByteBuffer has no move: a named one would keep its share of the bytes.
    CO_RETURN_IF_ERROR(co_await Write(frame(offset, std::move(bytes), std::move(terms))));
    const absl::StatusOr<Permit> returned =
        co_await in_flight_->Acquire(1, clock_, writer_.NextDeadline(), "the caller took nothing");
    co_return writer_.CutOffIfLate(returned.status());
  }

 private:
  PatientWriter<grpc::ByteBuffer> writer_;
  Clock& clock_;
  const std::shared_ptr<LoanedBuffers> account_;
  const std::shared_ptr<Semaphore> in_flight_ = std::make_shared<Semaphore>(1);
};

/// Passes what the engine brings on to the stream.
class StreamToCall final : public fetch::StreamReceiver {
 public:
  explicit StreamToCall(StreamWriter& writer) : writer_(writer) {}

  Task<absl::Status> OnHead(fetch::StreamHead head) override {
    v1::FetchResponse response;
    v1::FetchResponse::Head& out = *response.mutable_head();
    out.set_final_url(head.final_url);
    out.set_http_status(head.http_status);
    for (const auto& header : head.headers) *out.add_headers() = ToProto(header);
    if (head.total_bytes) out.set_total_bytes(*head.total_bytes);
    out.set_offset(head.offset);
    co_return co_await writer_.Write(FrameMessage(response));
  }

  Task<absl::Status> OnBytes(std::uint64_t offset, sink::Buffer bytes) override {
    if (bytes.size() == 0) co_return absl::OkStatus();
    co_return co_await writer_.WriteBody(FrameFetchChunk, offset, std::move(bytes));
  }

 private:
  StreamWriter& writer_;
};

v1::FetchResponse EndResponse(const fetch::StreamEnd& end) {
  v1::FetchResponse response;
  response.mutable_end()->set_size_bytes(end.size_bytes);
  for (const Digest& digest : end.digests) response.mutable_end()->add_digests(digest.ToSri());
  for (const jobs::AttemptRecord& record : end.attempts) {
    *response.mutable_end()->add_attempts() = ToProto(record);
  }
  return response;
}

struct FetchArguments {
  jobs::FetchSpec spec;
  std::uint64_t offset = 0;
  Deadline deadline;
  std::string tenant;
};

Task<absl::Status> RunFetch(const ServerDeps& deps, Duration caller_idle, FetchArguments arguments,
                            std::shared_ptr<LoanedBuffers> loaned,
                            std::shared_ptr<BytesCall> call) {
  StreamWriter writer(*call, deps.clock, caller_idle, std::move(loaned));
  StreamToCall receiver(writer);
  const absl::StatusOr<fetch::StreamEnd> end =
      co_await deps.engine.Stream(std::move(arguments.spec), arguments.offset, arguments.deadline,
                                  receiver, std::move(arguments.tenant));
  if (!end.ok()) co_return end.status();
  co_return co_await writer.Write(FrameMessage(EndResponse(*end)));
}

absl::StatusOr<sink::Destination> FinishedBody(const jobs::Job& job) {
  if (job.state != jobs::State::kSucceeded) {
    return absl::FailedPreconditionError(std::string("the job is ") + jobs::StateName(job.state) +
                                         ": only a SUCCEEDED job has a body to read");
  }
  if (job.result && job.result->not_modified) {
    return WithReason(
        absl::FailedPreconditionError("the job fetched nothing: its origin answered 304"),
        {"NOT_MODIFIED", {}});
  }
  return sink::ParseResolvedDestination(job.destination);
}

struct BodyWanted {
  Principal caller;
  JobId id;
  std::uint64_t offset = 0;
  Deadline deadline;
};

Task<absl::Status> SendBody(const ServerDeps& deps, sink::Reader& reader, BodyWanted wanted_body,
                            StreamWriter& writer) {
  std::uint64_t offset = wanted_body.offset;
  while (true) {
    const std::uint64_t left = reader.size_bytes() - std::min(reader.size_bytes(), offset);
    // One byte more than is left finds the end of a file that grew.
    const std::size_t wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(left + 1, kReadBodyChunk));
    absl::StatusOr<sink::Buffer> buffer = co_await deps.buffers.Acquire(
        wanted, deps.clock, wanted_body.deadline, sink::BufferUse::kStream);
    if (!buffer.ok()) co_return buffer.status();
    const absl::StatusOr<std::size_t> read = co_await reader.Read(*buffer);
    if (!read.ok()) co_return read.status();
    if (*read == 0) co_return absl::OkStatus();
    CO_RETURN_IF_ERROR(co_await writer.WriteBody(FrameReadBody, offset, *std::move(buffer)));
    offset += *read;
  }
}

Task<absl::Status> RunReadBody(const ServerDeps& deps, Duration caller_idle, BodyWanted wanted,
                               std::shared_ptr<LoanedBuffers> loaned,
                               std::shared_ptr<BytesCall> call) {
  const absl::StatusOr<jobs::Job> job = co_await GetOwn(deps.store, wanted.caller, wanted.id);
  if (!job.ok()) co_return job.status();
  absl::StatusOr<sink::Destination> destination = FinishedBody(*job);
  if (!destination.ok()) co_return destination.status();
  absl::StatusOr<std::unique_ptr<sink::Reader>> reader =
      co_await deps.destinations.OpenForRead(*std::move(destination), wanted.offset);
  if (!reader.ok()) co_return reader.status();
  if ((*reader)->size_bytes() != job->result->size_bytes) {
    co_return WithReason(absl::DataLossError(Concat(
                             "the file has ", (*reader)->size_bytes(), " bytes, the job wrote ",
                             job->result->size_bytes, ": it was changed since")),
                         {"BODY_CHANGED", {}});
  }
  StreamWriter writer(*call, deps.clock, caller_idle, std::move(loaned));
  co_return co_await SendBody(deps, **reader, std::move(wanted), writer);
}

absl::Status MalformedRequest() {
  return absl::InvalidArgumentError("the request is not a valid protobuf message");
}

}  // namespace

grpc::ServerWriteReactor<grpc::ByteBuffer>* FetchServiceImpl::Fetch(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* bytes) {
  const auto target = std::make_shared<std::string>();
  const auto [call, caller] =
      gate_.Open<BytesCall>("Fetch", *context, [target] { return *target; });
  if (!caller.ok()) return EndCall(call, caller.status());
  if (deps_.drain_signal.draining()) return EndCall(call, DrainingError());
  v1::FetchRequest request;
  if (!ParseMessage(*bytes, request)) return EndCall(call, MalformedRequest());
  absl::StatusOr<jobs::FetchSpec> spec = FromProto(request.spec());
  if (!spec.ok()) return EndCall(call, spec.status());
  *target = jobs::OriginOfUrl(*spec, 0);
  spec->trace = call->trace();
  absl::Status checked = creator_.CheckSpec(*spec, caller->tenant);
  if (checked.ok()) checked = fetch::ValidateOffset(*spec, request.offset());
  if (!checked.ok()) return EndCall(call, checked);
  FetchArguments arguments{*std::move(spec), request.offset(), DeadlineOf(*context, deps_.clock),
                           caller->tenant};
  call->Of(context);
  return StartCall(groups_.Next(), "Fetch", call,
                   RunFetch(deps_, config_.caller_idle, std::move(arguments), loaned_, call));
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* FetchServiceImpl::ReadBody(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* bytes) {
  const auto [call, caller] = gate_.Open<BytesCall>("ReadBody", *context);
  if (!caller.ok()) return EndCall(call, caller.status());
  v1::ReadBodyRequest request;
  if (!ParseMessage(*bytes, request)) return EndCall(call, MalformedRequest());
  const absl::StatusOr<JobId> id = ParseName(request.name(), "name");
  if (!id.ok()) return EndCall(call, id.status());
  BodyWanted wanted{*caller, *id, request.offset(), DeadlineOf(*context, deps_.clock)};
  call->Of(context);
  return StartCall(groups_.Next(), "ReadBody", call,
                   RunReadBody(deps_, config_.caller_idle, std::move(wanted), loaned_, call));
}

}  // namespace fetchd::rpc
