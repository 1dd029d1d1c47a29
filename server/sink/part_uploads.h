// The parts of one upload on their way, several at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/semaphore.h"
#include "objstore/object_store.h"
#include "runtime/task_group.h"
#include "sink/buffer.h"
#include "sink/part_plan.h"

namespace fetchd::sink {

/// Lives on one shard, kept by its tasks too: whoever made it may go, after Cancel().
class PartUploads : public std::enable_shared_from_this<PartUploads> {
 public:
  struct Target {
    objstore::ObjectStore& store;
    objstore::ObjectName object;
    std::string upload;
    PartPlan plan;
  };
  /// `parts`, from the first on, are there already. References outlive the tasks.
  PartUploads(Target target, std::vector<objstore::Part> parts, int in_flight, Clock& clock,
              runtime::TaskGroup& tasks);

  /// Completes once the part is on its way: there is a limit on how many are. In any order; one
  /// that was sent before is replaced. Returns the error of an earlier part. UNAVAILABLE when the
  /// store knows the upload no more.
  Task<absl::Status> Send(int number, std::shared_ptr<const PartBuffer> bytes, Deadline deadline);
  /// All that were sent have arrived.
  Task<absl::Status> Join(Deadline deadline);
  /// Those on their way stop where they are: soon, see Settle().
  void Cancel();
  /// None is on its way any more, however it ended.
  Task<absl::Status> Settle(Deadline deadline);

  const std::string& upload() const { return target_.upload; }
  const PartPlan& plan() const { return target_.plan; }
  /// By number; those that have not arrived have no ETag.
  const std::vector<objstore::Part>& parts() const { return parts_; }
  /// Without a gap from the first part on, as far as whole parts of the first `bytes` have arrived.
  std::uint64_t ArrivedOf(std::uint64_t bytes) const;

 private:
  static Task<absl::Status> SendPart(std::shared_ptr<PartUploads> self, int number,
                                     std::shared_ptr<const PartBuffer> bytes, Permit slot);

  const Target target_;
  Clock& clock_;
  runtime::TaskGroup& tasks_;
  std::vector<objstore::Part> parts_;
  std::vector<runtime::TaskHandle> sending_;
  absl::Status failure_;
  Semaphore slots_;
};

/// The error of a request about an upload: one that is not there any more is UNAVAILABLE, for a new
/// one finds its place.
absl::Status UploadError(const absl::Status& status);

}  // namespace fetchd::sink
