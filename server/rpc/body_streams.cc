// Fetch and ReadBody: streams of body bytes that are never copied on their way to gRPC.
#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "rpc/convert_attempt.h"
#include "rpc/convert_job.h"
#include "rpc/convert_spec.h"
#include "rpc/fetch_service.h"
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

/// Passes what the engine brings on to the stream.
class StreamToCall final : public fetch::StreamReceiver {
 public:
  StreamToCall(MessageWriter<grpc::ByteBuffer>& writer, std::shared_ptr<LoanedBuffers> loaned)
      : writer_(writer), loaned_(std::move(loaned)) {}

  Task<absl::Status> OnHead(fetch::StreamHead head) override {
    v1::FetchResponse response;
    v1::FetchResponse::Head& out = *response.mutable_head();
    out.set_final_url(head.final_url);
    out.set_http_status(head.http_status);
    for (const auto& header : head.headers) *out.add_headers() = ToProto(header);
    if (head.total_bytes) out.set_total_bytes(*head.total_bytes);
    out.set_offset(head.offset);
    const grpc::ByteBuffer message = FrameMessage(response);
    co_return co_await writer_.Write(message);
  }

  Task<absl::Status> OnBytes(std::uint64_t offset, sink::Buffer bytes) override {
    if (bytes.size() == 0) co_return absl::OkStatus();
    const grpc::ByteBuffer message = FrameFetchChunk(offset, std::move(bytes), loaned_);
    co_return co_await writer_.Write(message);
  }

 private:
  MessageWriter<grpc::ByteBuffer>& writer_;
  const std::shared_ptr<LoanedBuffers> loaned_;
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
};

Task<absl::Status> RunFetch(const ServerDeps& deps, FetchArguments arguments,
                            std::shared_ptr<LoanedBuffers> loaned,
                            std::shared_ptr<BytesCall> call) {
  StreamToCall receiver(*call, std::move(loaned));
  const absl::StatusOr<fetch::StreamEnd> end = co_await deps.engine.Stream(
      std::move(arguments.spec), arguments.offset, arguments.deadline, receiver);
  if (!end.ok()) co_return end.status();
  const grpc::ByteBuffer message = FrameMessage(EndResponse(*end));
  co_return co_await call->Write(message);
}

absl::StatusOr<sink::Destination> FinishedBody(const jobs::Job& job) {
  if (job.state != jobs::State::kSucceeded) {
    return absl::FailedPreconditionError(std::string("the job is ") + jobs::StateName(job.state) +
                                         ": only a SUCCEEDED job has a body to read");
  }
  return sink::ParseResolvedDestination(job.destination);
}

Task<absl::Status> SendBody(const ServerDeps& deps, sink::Reader& reader, std::uint64_t offset,
                            std::shared_ptr<LoanedBuffers> loaned,
                            MessageWriter<grpc::ByteBuffer>& writer) {
  while (true) {
    const std::uint64_t left = reader.size_bytes() - std::min(reader.size_bytes(), offset);
    // One byte more than is left finds the end of a file that grew.
    const std::size_t wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(left + 1, kReadBodyChunk));
    absl::StatusOr<sink::Buffer> buffer =
        co_await deps.buffers.Acquire(wanted, deps.clock, Deadline::Never());
    if (!buffer.ok()) co_return buffer.status();
    const absl::StatusOr<std::size_t> read = co_await reader.Read(*buffer);
    if (!read.ok()) co_return read.status();
    if (*read == 0) co_return absl::OkStatus();
    const grpc::ByteBuffer message = FrameReadBody(offset, *std::move(buffer), loaned);
    offset += *read;
    CO_RETURN_IF_ERROR(co_await writer.Write(message));
  }
}

Task<absl::Status> RunReadBody(const ServerDeps& deps, JobId id, std::uint64_t offset,
                               std::shared_ptr<LoanedBuffers> loaned,
                               std::shared_ptr<BytesCall> call) {
  const absl::StatusOr<jobs::Job> job = co_await deps.store.Get(id);
  if (!job.ok()) co_return job.status();
  absl::StatusOr<sink::Destination> destination = FinishedBody(*job);
  if (!destination.ok()) co_return destination.status();
  absl::StatusOr<std::unique_ptr<sink::Reader>> reader =
      co_await deps.destinations.OpenForRead(*std::move(destination), offset);
  if (!reader.ok()) co_return reader.status();
  co_return co_await SendBody(deps, **reader, offset, std::move(loaned), *call);
}

absl::Status MalformedRequest() {
  return absl::InvalidArgumentError("the request is not a valid protobuf message");
}

}  // namespace

grpc::ServerWriteReactor<grpc::ByteBuffer>* FetchServiceImpl::Fetch(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* bytes) {
  const auto call = std::make_shared<BytesCall>();
  if (deps_.drain_signal.draining()) return EndCall(call, DrainingError());
  v1::FetchRequest request;
  if (!ParseMessage(*bytes, request)) return EndCall(call, MalformedRequest());
  absl::StatusOr<jobs::FetchSpec> spec = FromProto(request.spec());
  if (!spec.ok()) return EndCall(call, spec.status());
  const absl::Status checked = creator_.CheckSpec(*spec);
  if (!checked.ok()) return EndCall(call, checked);
  FetchArguments arguments{*std::move(spec), request.offset(), DeadlineOf(*context, deps_.clock)};
  return StartCall(groups_.Next(), "Fetch", call,
                   RunFetch(deps_, std::move(arguments), loaned_, call));
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* FetchServiceImpl::ReadBody(
    grpc::CallbackServerContext*, const grpc::ByteBuffer* bytes) {
  const auto call = std::make_shared<BytesCall>();
  v1::ReadBodyRequest request;
  if (!ParseMessage(*bytes, request)) return EndCall(call, MalformedRequest());
  const absl::StatusOr<JobId> id = ParseName(request.name(), "name");
  if (!id.ok()) return EndCall(call, id.status());
  return StartCall(groups_.Next(), "ReadBody", call,
                   RunReadBody(deps_, *id, request.offset(), loaned_, call));
}

}  // namespace fetchd::rpc
