#include "sink/upload_abort.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

namespace fetchd::sink {
namespace {

using Stage = UploadNote::Stage;

/// How far the store's clock may be from ours.
constexpr auto kClockSkew = std::chrono::minutes(15);
/// Longer than the store is asked to begin an upload.
constexpr auto kBeginningTakes = std::chrono::minutes(15);

// Of an upload whose id was never noted: those of this very key that may be it, but for those that
// are known to be another's.
Task<absl::Status> AbortUnknown(objstore::ObjectStore& store, objstore::ObjectName object,
                                WallTime begun_at, std::vector<std::string> others) {
  const absl::StatusOr<std::vector<objstore::Upload>> uploads =
      co_await store.ListUploads(object.bucket, object.key);
  // Who may not look, or cannot, has to leave it to a rule of the bucket.
  const bool hidden = absl::IsNotFound(uploads.status()) ||
                      absl::IsPermissionDenied(uploads.status()) ||
                      absl::IsUnimplemented(uploads.status());
  if (!uploads.ok()) co_return hidden ? absl::OkStatus() : uploads.status();
  for (const objstore::Upload& upload : *uploads) {
    const bool ours = upload.key == object.key && upload.begun_at >= begun_at - kClockSkew &&
                      upload.begun_at <= begun_at + kBeginningTakes + kClockSkew &&
                      std::ranges::find(others, upload.id) == others.end();
    if (!ours) continue;
    CO_RETURN_IF_ERROR(co_await store.AbortUpload(object, upload.id));
  }
  co_return absl::OkStatus();
}

}  // namespace

Task<absl::Status> AbortNoted(objstore::ObjectStore& store, objstore::ObjectName object,
                              UploadNote note, std::vector<std::string> notes_of_others) {
  if (note.stage == Stage::kNone) co_return absl::OkStatus();
  if (note.stage == Stage::kOpen) co_return co_await store.AbortUpload(object, note.id);
  std::vector<std::string> others;
  for (const std::string& text : notes_of_others) {
    const std::optional<UploadNote> other = UploadNote::Parse(text);
    if (other && other->stage == Stage::kOpen) others.push_back(other->id);
  }
  co_return co_await AbortUnknown(store, std::move(object), note.begun_at, std::move(others));
}

}  // namespace fetchd::sink
