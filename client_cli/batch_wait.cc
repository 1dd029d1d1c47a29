#include "cli/batch_wait.h"

#include <ostream>

#include "base/strings.h"
#include "cli/batch_print.h"

namespace fetchd::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr Milliseconds kCountersInterval{250};
constexpr std::chrono::minutes kBatchReconnectTimeout{2};

/// One line with the counters: on a terminal in its place, elsewhere from time to time.
class BatchLine {
 public:
  explicit BatchLine(Console& console)
      : console_(console), in_place_(console.err_is_terminal && !console.quiet) {}
  ~BatchLine() { Erase(); }
  BatchLine(const BatchLine&) = delete;
  BatchLine& operator=(const BatchLine&) = delete;

  void Show(const v1::Batch& batch) {
    if (in_place_) {
      Erase();
      console_.err << SummaryOf(batch).substr(0, static_cast<std::size_t>(console_.width - 1))
                   << std::flush;
      drawn_ = true;
      return;
    }
    if (Clock::now() - shown_at_ < console_.line_interval) return;
    shown_at_ = Clock::now();
    console_.Note(SummaryOf(batch));
  }

 private:
  void Erase() {
    if (std::exchange(drawn_, false)) console_.err << "\r\x1b[K" << std::flush;
  }

  Console& console_;
  bool in_place_;
  bool drawn_ = false;
  Clock::time_point shown_at_ = Clock::now();
};

/// One stream to its end. `last` is what it said last.
grpc::Status WatchBatchOnce(Session& session, const v1::WatchBatchesRequest& request,
                            std::optional<Milliseconds> left, BatchLine& line, v1::Batch& last) {
  auto call = session.connection.Streaming(session.interrupt, left);
  const auto stream = session.connection.batch().WatchBatches(call.context(), request);
  v1::WatchBatchesResponse response;
  while (stream->Read(&response)) {
    last = response.batch();
    line.Show(last);
  }
  return stream->Finish();
}

grpc::Status WatchBatch(Session& session, const std::string& name,
                        std::optional<Clock::time_point> deadline, v1::Batch& last) {
  v1::WatchBatchesRequest request;
  request.add_names(name);
  request.set_until_done(true);
  *request.mutable_interval() = ToProto(kCountersInterval);
  BatchLine line(session.console);
  Backoff backoff;
  auto reached_at = Clock::now();
  while (true) {
    std::optional<Milliseconds> left;
    if (deadline) {
      left = std::max(std::chrono::ceil<Milliseconds>(*deadline - Clock::now()), Milliseconds(0));
    }
    const std::string seen = last.etag();
    const grpc::Status status = WatchBatchOnce(session, request, left, line, last);
    if (!IsInterruption(status)) return status;
    if (last.etag() != seen) {
      reached_at = Clock::now();
      backoff.Reset();
    }
    if (Clock::now() - reached_at > kBatchReconnectTimeout) return status;
    if (!backoff.Wait(session.interrupt)) return status;
  }
}

}  // namespace

ExitCode WaitForBatch(Session& session, const std::string& name, OutputFormat format,
                      std::optional<Milliseconds> timeout) {
  std::optional<Clock::time_point> deadline;
  if (timeout) deadline = Clock::now() + *timeout;
  v1::Batch last;
  const grpc::Status status = WatchBatch(session, name, deadline, last);
  if (status.ok()) {
    BatchPrinter(session.console, format, std::chrono::system_clock::now()).Print(last);
    return ExitCodeOf(last);
  }
  if (status.error_code() == grpc::StatusCode::NOT_FOUND) return session.Report(status);
  // Not a summary: said even with -q.
  session.console.Report(
      ExitCode::kDone,
      Concat("the batch goes on; wait with:\n  fetchctl batch wait ", Printable(name)));
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED && timeout) {
    return session.console.Report(ExitCode::kTimeout,
                                  Concat("gave up waiting after ", FormatDuration(*timeout)));
  }
  return session.Report(status);
}

}  // namespace fetchd::cli
