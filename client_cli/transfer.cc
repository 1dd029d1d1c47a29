#include "cli/transfer.h"

#include <optional>
#include <span>

#include "base/digest.h"
#include "base/strings.h"

namespace fetchd::cli {
namespace {

using OpenStream = std::function<std::unique_ptr<BodyStream>(std::uint64_t)>;

/// The expected digests against the bytes that came by.
class Verifier {
 public:
  static absl::StatusOr<Verifier> For(const std::vector<std::string>& texts) {
    Verifier verifier;
    std::vector<DigestAlgorithm> algorithms;
    for (const std::string& text : texts) {
      ASSIGN_OR_RETURN(const Digest digest, Digest::Parse(text));
      algorithms.push_back(digest.algorithm);
      verifier.expected_.push_back(digest);
    }
    if (!algorithms.empty()) verifier.digester_.emplace(std::move(algorithms));
    return verifier;
  }
  bool needs_bytes() const { return digester_.has_value(); }
  void Update(std::string_view bytes) {
    if (digester_) digester_->Update(std::as_bytes(std::span(bytes)));
  }
  absl::Status Finish() {
    if (!digester_) return absl::OkStatus();
    const std::vector<Digest> actual = digester_->Finish();
    for (std::size_t i = 0; i < expected_.size(); ++i) {
      if (actual[i] == expected_[i]) continue;
      return absl::DataLossError(
          Concat("the body's digest is ", actual[i].ToSri(), ", expected ", expected_[i].ToSri()));
    }
    return absl::OkStatus();
  }

 private:
  std::vector<Digest> expected_;
  std::optional<Digester> digester_;
};

class TransferRun {
 public:
  TransferRun(Session& session, BodyFile& file, Verifier verifier, const std::string& label)
      : file_(file), verifier_(std::move(verifier)), bar_(session.console, label) {}

  absl::Status TakeWhatIsThere() {
    if (!verifier_.needs_bytes()) return absl::OkStatus();
    return file_.ReadBack([this](std::string_view bytes) { verifier_.Update(bytes); });
  }

  /// One stream, to its end. A local failure wins over the stream's own status.
  grpc::Status Pull(BodyStream& stream) {
    BodyStream::Chunk chunk;
    absl::Status local;
    while (local.ok() && stream.Read(chunk)) local = Accept(stream, chunk);
    if (local.ok()) {
      const grpc::Status status = stream.Finish();
      if (!status.ok()) return status;
      if (stream.has_body()) local = CheckSize(stream);
    }
    return ToGrpc(local);
  }

  /// All that the head of the stream announced has come, whatever became of the stream then.
  bool has_all() const { return total_ == file_.offset(); }
  bool has_body() const { return has_body_; }

  absl::Status Commit() {
    RETURN_IF_ERROR(verifier_.Finish());
    return file_.Commit();
  }

 private:
  absl::Status Accept(const BodyStream& stream, const BodyStream::Chunk& chunk) {
    if (!version_) {
      version_ = stream.version();
    } else if (*version_ != stream.version()) {
      return absl::AbortedError("the body changed at its origin while it was fetched");
    }
    total_ = stream.total_bytes();
    has_body_ = stream.has_body();
    bar_.Update(file_.offset(), total_);
    if (chunk.data.empty()) return absl::OkStatus();
    if (chunk.offset != file_.offset()) {
      return absl::DataLossError(
          Concat("a chunk at ", chunk.offset, " where ", file_.offset(), " was due"));
    }
    verifier_.Update(chunk.data);
    return file_.Write(chunk.data);
  }

  absl::Status CheckSize(const BodyStream& stream) {
    const auto total = stream.total_bytes();
    bar_.Update(file_.offset(), total);
    if (!total || *total == file_.offset()) return absl::OkStatus();
    return absl::DataLossError(Concat("got ", file_.offset(), " of ", *total, " bytes"));
  }

  BodyFile& file_;
  Verifier verifier_;
  ProgressBar bar_;
  std::optional<std::string> version_;
  std::optional<std::uint64_t> total_;
  bool has_body_ = true;
};

bool IsWorthless(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::DATA_LOSS ||
         status.error_code() == grpc::StatusCode::ABORTED;
}

/// The call may go on elsewhere: the service said so, or went away after bytes had come; or we, who
/// write to something slow, were cut off.
bool MayResume(const grpc::Status& status, std::uint64_t offset) {
  if (DetailsOf(status).reason == "CALLER_IDLE") return true;
  return IsInterruption(status) && (offset > 0 || DetailsOf(status).reason == "INTERRUPTED");
}

}  // namespace

grpc::Status Transfer(Session& session, const OpenStream& open, BodyFile& file,
                      const TransferOptions& options) {
  auto verifier = Verifier::For(options.digests);
  if (!verifier.ok()) return ToGrpc(verifier.status());
  TransferRun run(session, file, *std::move(verifier), options.label);
  if (const absl::Status status = run.TakeWhatIsThere(); !status.ok()) return ToGrpc(status);
  Backoff backoff;
  for (int idle = 0;;) {
    const std::uint64_t before = file.offset();
    const grpc::Status status = run.Pull(*open(before));
    if (status.ok()) break;
    if (IsWorthless(status)) file.Discard();
    idle = file.offset() > before ? 0 : idle + 1;
    if (idle == 0) backoff.Reset();
    if (session.interrupt.triggered()) return status;
    if (IsInterruption(status) && run.has_all()) break;
    const bool resumable = options.resumable || file.offset() == 0;
    if (!resumable || !MayResume(status, file.offset()) || idle > options.max_reconnects) {
      return status;
    }
    session.console.Note(Concat("interrupted at byte ", file.offset(), "; going on"));
    if (!backoff.Wait(session.interrupt)) return status;
  }
  if (!run.has_body()) {
    file.Discard();
    return grpc::Status::OK;
  }
  const absl::Status committed = run.Commit();
  if (committed.code() == absl::StatusCode::kDataLoss) file.Discard();
  return ToGrpc(committed);
}

}  // namespace fetchd::cli
