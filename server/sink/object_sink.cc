#include "sink/object_sink.h"

#include <algorithm>
#include <utility>

#include "base/digest.h"
#include "base/strings.h"
#include "objstore/payload.h"
#include "sink/upload_abort.h"

namespace fetchd::sink {
namespace {

using objstore::ObjectInfo;
using objstore::Part;
using objstore::Precondition;
using Stage = UploadNote::Stage;

constexpr std::size_t kMaxContentType = 255;
constexpr Duration kAbortPatience = std::chrono::seconds(10);

std::string Md5Of(const std::vector<std::span<const std::byte>>& blocks) {
  Digester digester({DigestAlgorithm::kMd5});
  for (const std::span<const std::byte> block : blocks) digester.Update(block);
  return digester.Finish().front().ToHex();
}

std::string_view StripQuotes(std::string_view etag) {
  const bool quoted = etag.size() >= 2 && etag.front() == '"' && etag.back() == '"';
  return quoted ? etag.substr(1, etag.size() - 2) : etag;
}

/// Of the object that these parts make, without quotes; empty where ETags are no MD5s.
std::string EtagOf(const std::vector<Part>& parts) {
  std::vector<std::string> etags;
  for (const Part& part : parts) etags.push_back(part.etag);
  return std::string(StripQuotes(objstore::MultipartEtag(etags)));
}

/// What is there is of this MD5 or, in parts, what EtagOf() says.
bool HasMd5(const ObjectInfo& there, std::string_view hex) {
  return !hex.empty() && (StripQuotes(there.etag) == hex || there.md5 == hex);
}

/// `own` holds the ETags of what a job may have made, separated by commas.
bool IsOwn(const ObjectInfo& there, std::string_view own) {
  while (!own.empty()) {
    const std::size_t comma = own.find(',');
    if (HasMd5(there, own.substr(0, comma))) return true;
    own.remove_prefix(comma == std::string_view::npos ? own.size() : comma + 1);
  }
  return false;
}

absl::Status AlreadyThere(const std::string& url) {
  return absl::AlreadyExistsError(Concat(url, " is there already, and overwrite is \"never\""));
}

/// An origin may say anything; stores take printable ASCII (RFC 9110 8.3.1 has no more).
bool IsContentType(std::string_view text) {
  const auto printable = [](char c) { return c >= ' ' && c <= '~'; };
  return text.size() <= kMaxContentType && std::ranges::all_of(text, printable);
}

struct Done {};
Task<absl::StatusOr<Done>> AsDone(Task<absl::Status> task) {
  CO_RETURN_IF_ERROR(co_await std::move(task));
  co_return Done();
}

}  // namespace

ObjectSink::ObjectSink(Deps deps, Options options)
    : deps_(deps),
      options_(std::move(options)),
      attributes_(options_.attributes),
      note_(UploadNote::Parse(options_.note).value_or(UploadNote())) {}

ObjectSink::~ObjectSink() {
  if (uploads_ != nullptr) uploads_->Cancel();
}

void ObjectSink::Describe(const BodyFacts& facts) {
  total_bytes_ = facts.total_bytes;
  if (attributes_.content_type.empty() && IsContentType(facts.content_type)) {
    attributes_.content_type = facts.content_type;
  }
}

template <typename T>
Task<absl::StatusOr<T>> ObjectSink::InTime(Task<absl::StatusOr<T>> asking) {
  co_return co_await WithDeadline<T>(deps_.clock, options_.deadline,
                                     "while the store of objects was asked", std::move(asking));
}

Task<absl::Status> ObjectSink::InTime(Task<absl::Status> asking) {
  const absl::StatusOr<Done> done = co_await InTime(AsDone(std::move(asking)));
  co_return done.status();
}

Task<absl::StatusOr<std::uint64_t>> ObjectSink::Open(std::uint64_t resume_bytes) {
  co_return co_await InTime(OpenNow(resume_bytes));
}

Task<absl::StatusOr<std::uint64_t>> ObjectSink::OpenNow(std::uint64_t resume_bytes) {
  CO_RETURN_IF_ERROR(co_await CheckAbsent());
  if (resume_bytes > 0) {
    CO_ASSIGN_OR_RETURN(const bool taken_up, co_await TakeUp(resume_bytes));
    if (taken_up) {
      size_bytes_ = resume_bytes;
      co_return resume_bytes;
    }
  }
  CO_RETURN_IF_ERROR(co_await DropUpload());
  co_return 0;
}

// An earlier process may have made the object and died before that was recorded.
Task<absl::Status> ObjectSink::CheckAbsent() {
  if (options_.overwrite != OverwritePolicy::kNever) co_return absl::OkStatus();
  const absl::StatusOr<ObjectInfo> there = co_await deps_.store.Head(options_.object);
  own_ = there.ok() && IsOwn(*there, note_.own_etags);
  if (there.ok() && !own_) {
    CO_ASSIGN_OR_RETURN(own_, co_await IsOfOwnUpload());
  }
  if (own_ || absl::IsNotFound(there.status())) co_return absl::OkStatus();
  co_return there.ok() ? AlreadyThere(options_.url) : there.status();
}

Task<absl::StatusOr<bool>> ObjectSink::IsOfOwnUpload() {
  if (note_.stage != Stage::kOpen || !deps_.store.features().tells_completed) co_return false;
  const auto parts = co_await deps_.store.ListParts(options_.object, note_.id);
  if (absl::IsNotFound(parts.status())) co_return true;
  CO_RETURN_IF_ERROR(parts.status());
  co_return false;
}

// The store says which parts it has: of what it does not, nothing here is worth anything.
Task<absl::StatusOr<bool>> ObjectSink::TakeUp(std::uint64_t resume_bytes) {
  if (note_.stage != Stage::kOpen) co_return false;
  const int last = note_.plan.PartAt(resume_bytes - 1);
  if (note_.plan.EndOf(last) != resume_bytes) co_return false;
  absl::StatusOr<std::vector<Part>> parts =
      co_await deps_.store.ListParts(options_.object, note_.id);
  if (absl::IsNotFound(parts.status())) co_return false;
  CO_RETURN_IF_ERROR(parts.status());
  if (parts->size() < static_cast<std::size_t>(last)) co_return false;
  parts->resize(static_cast<std::size_t>(last));
  for (int number = 1; number <= last; ++number) {
    const Part& part = (*parts)[static_cast<std::size_t>(number) - 1];
    const bool whole = part.number == number && part.size_bytes == note_.plan.SizeOf(number);
    if (!whole) co_return false;
  }
  uploads_ = std::make_shared<PartUploads>(
      PartUploads::Target{deps_.store, options_.object, note_.id, note_.plan}, *std::move(parts),
      options_.parts_in_flight, deps_.clock, deps_.tasks);
  co_return true;
}

Task<absl::Status> ObjectSink::Keep(UploadNote note) {
  const bool nothing = note.stage == Stage::kNone && note.own_etags.empty();
  CO_RETURN_IF_ERROR(co_await deps_.notes.Keep(nothing ? std::string() : note.ToString()));
  note_ = std::move(note);
  co_return absl::OkStatus();
}

// With overwrite "never": before the object is made, so that a later process knows it for its own.
Task<absl::Status> ObjectSink::KeepOwn(std::string etag) {
  if (options_.overwrite != OverwritePolicy::kNever || etag.empty()) co_return absl::OkStatus();
  UploadNote note = note_;
  // What is there already may be ours too.
  note.own_etags = own_ ? Concat(note_.own_etags, ',', etag) : std::move(etag);
  co_return co_await Keep(std::move(note));
}

Task<absl::Status> ObjectSink::DropUpload() {
  if (uploads_ != nullptr) {
    uploads_->Cancel();
    // A part that arrives behind the end of its upload would stay.
    CO_RETURN_IF_ERROR(co_await uploads_->Settle(Deadline::Never()));
    uploads_.reset();
  }
  parts_.clear();
  size_bytes_ = 0;
  if (note_.stage == Stage::kNone) co_return absl::OkStatus();
  CO_ASSIGN_OR_RETURN(std::vector<std::string> others, co_await deps_.notes.OfOthers());
  CO_RETURN_IF_ERROR(co_await AbortNoted(deps_.store, options_.object, note_, std::move(others)));
  co_return co_await Keep({.own_etags = note_.own_etags});
}

Task<absl::Status> ObjectSink::Restart() { co_return co_await InTime(DropUpload()); }

Task<absl::StatusOr<std::size_t>> ObjectSink::ReadBack(std::uint64_t, std::span<std::byte>) {
  co_return absl::UnimplementedError("the parts of an object cannot be read back");
}

Task<absl::StatusOr<std::uint64_t>> ObjectSink::Checkpoint() {
  if (uploads_ == nullptr) co_return 0;
  std::uint64_t sent = size_bytes_;
  for (const auto& [number, part] : parts_) {
    if (!part.sent) sent = std::min(sent, part.first);
  }
  co_return uploads_->ArrivedOf(sent);
}

// A store that takes no precondition is asked right before.
Task<absl::StatusOr<Precondition>> ObjectSink::PreconditionFor(bool supported) {
  if (options_.overwrite != OverwritePolicy::kNever || own_) co_return Precondition::kNone;
  if (supported) co_return Precondition::kAbsent;
  CO_RETURN_IF_ERROR(co_await CheckAbsent());
  co_return Precondition::kNone;
}

// For overwrite "if different".
Task<absl::StatusOr<bool>> ObjectSink::IsAlreadyThere(const std::string& etag) {
  if (options_.overwrite != OverwritePolicy::kIfDifferent) co_return false;
  const absl::StatusOr<ObjectInfo> there = co_await deps_.store.Head(options_.object);
  if (absl::IsNotFound(there.status())) co_return false;
  CO_RETURN_IF_ERROR(there.status());
  if (there->size_bytes != size_bytes_) co_return false;
  co_return HasMd5(*there, etag);
}

Task<absl::StatusOr<Receipt>> ObjectSink::Commit() { co_return co_await InTime(CommitNow()); }

Task<absl::StatusOr<Receipt>> ObjectSink::CommitNow() {
  CO_RETURN_IF_ERROR(CheckWhole());
  if (uploads_ == nullptr) co_return co_await PutWhole();
  CO_RETURN_IF_ERROR(co_await SendRest());
  CO_RETURN_IF_ERROR(co_await uploads_->Join(options_.deadline));
  co_return co_await Complete();
}

Task<absl::StatusOr<Receipt>> ObjectSink::PutWhole() {
  Receipt receipt{options_.url, size_bytes_, false};
  http::BorrowedBytes bytes;
  if (!parts_.empty()) bytes = parts_.begin()->second.bytes->blocks();
  if (options_.overwrite != OverwritePolicy::kAlways) {
    const std::string md5 = Md5Of(bytes);
    CO_ASSIGN_OR_RETURN(receipt.unchanged, co_await IsAlreadyThere(md5));
    if (receipt.unchanged) co_return receipt;
    CO_RETURN_IF_ERROR(co_await KeepOwn(md5));
  }
  CO_ASSIGN_OR_RETURN(const Precondition precondition,
                      co_await PreconditionFor(deps_.store.features().conditional_put));
  const absl::StatusOr<ObjectInfo> made =
      co_await deps_.store.Put(options_.object, bytes, attributes_, precondition);
  CO_RETURN_IF_ERROR(co_await CheckMade(made.status()));
  co_return receipt;
}

Task<absl::StatusOr<Receipt>> ObjectSink::Complete() {
  Receipt receipt{options_.url, size_bytes_, false};
  const std::string etag = EtagOf(uploads_->parts());
  CO_ASSIGN_OR_RETURN(receipt.unchanged, co_await IsAlreadyThere(etag));
  if (receipt.unchanged) {
    CO_RETURN_IF_ERROR(co_await DropUpload());
    co_return receipt;
  }
  CO_RETURN_IF_ERROR(co_await KeepOwn(etag));
  CO_ASSIGN_OR_RETURN(const Precondition precondition,
                      co_await PreconditionFor(deps_.store.features().conditional_complete));
  const absl::StatusOr<ObjectInfo> made = co_await deps_.store.CompleteUpload(
      options_.object, uploads_->upload(), uploads_->parts(), attributes_, precondition);
  CO_RETURN_IF_ERROR(co_await CheckMade(UploadError(made.status())));
  co_return receipt;
}

// A request that was sent again may have met what it made itself.
Task<absl::Status> ObjectSink::CheckMade(absl::Status made) {
  if (!absl::IsAlreadyExists(made)) co_return made;
  const absl::Status checked = co_await CheckAbsent();
  co_return own_ ? absl::OkStatus() : checked.ok() ? made : checked;
}

Task<absl::Status> ObjectSink::Abort() {
  const Deadline until = Deadline::After(deps_.clock, kAbortPatience);
  const absl::StatusOr<Done> aborted =
      co_await WithDeadline(deps_.clock, until, "abort", AsDone(AbortNow()));
  co_return aborted.status();
}

Task<absl::Status> ObjectSink::AbortNow() {
  CO_RETURN_IF_ERROR(co_await DropUpload());
  if (note_.own_etags.empty()) co_return absl::OkStatus();
  co_return co_await Keep(UploadNote());
}

}  // namespace fetchd::sink
