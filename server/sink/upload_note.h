// What a sink writes down of its upload, so that a later process finds it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"
#include "base/time.h"
#include "sink/part_plan.h"

namespace fetchd::sink {

/// Where a sink's note is kept.
class NoteKeeper {
 public:
  virtual ~NoteKeeper() = default;
  /// Replaces the note; durable when it completes. ABORTED: the sink's job is no longer its own.
  virtual Task<absl::Status> Keep(std::string note) = 0;
  /// Of other jobs with the same destination.
  virtual Task<absl::StatusOr<std::vector<std::string>>> OfOthers() = 0;
};

struct UploadNote {
  enum class Stage {
    kBeginning,  ///< An upload is about to be begun, or was and its id is not known.
    kOpen,       ///< The upload `id` takes parts, or has become the object.
    kNone,       ///< There is none.
  };
  Stage stage = Stage::kNone;
  PartPlan plan{1, false};
  WallTime begun_at{};  ///< kBeginning: not later than this by our clock. In seconds.
  std::string id;       ///< kOpen.
  /// With overwrite "never": the ETags, without quotes, separated by commas, of what this job may
  /// have made there.
  std::string own_etags;

  std::string ToString() const;
  /// nullopt for what ToString() did not write.
  static std::optional<UploadNote> Parse(std::string_view text);
};

}  // namespace fetchd::sink
