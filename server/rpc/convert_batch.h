// Batches: proto <-> jobs.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "fetchd/v1/batch_service.pb.h"
#include "jobs/batch.h"

namespace fetchd::rpc {

/// A new batch from what a caller may give; output-only fields are ignored. Fields in violations
/// are relative to the batch: "defaults.priority". Whether its defaults make valid jobs is found
/// out with each job, but for what no entry can mend.
absl::StatusOr<jobs::Batch> FromProto(const v1::Batch& in, WallTime now);

v1::Batch ToProto(const jobs::Batch& batch);
v1::Batch ToProto(const jobs::Batch& batch, const std::vector<jobs::BatchErrors>& errors);
v1::BatchEntry ToProto(const jobs::BatchEntry& entry);

/// "batches/<id>" of the field `field`.
absl::StatusOr<BatchId> ParseBatchName(const std::string& name, const std::string& field);

/// What the batch says for what the job leaves out.
void FillIn(const jobs::JobDefaults& defaults, v1::Job& job);

/// A refused entry as it is kept: without what may be a password.
jobs::BatchEntry RefusedEntry(const v1::CreateJobRequest& request, BatchId batch,
                              const absl::Status& error);
/// Whether the error says something of the entry, which stays true: not of the moment.
bool IsRefusal(const absl::Status& error);

}  // namespace fetchd::rpc
