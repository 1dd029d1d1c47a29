// The batches of MemoryStore. Figures are counted anew whenever somebody asks: the plain meaning of
// what other stores keep by differences.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "jobs/store.h"

namespace fetchd::testing {

/// Under the store's lock. `jobs` are the store's.
class MemoryBatches {
 public:
  using Jobs = std::map<JobId, jobs::Job>;
  explicit MemoryBatches(Jobs& jobs) : jobs_(jobs) {}

  void Touch() { ++version_; }

  absl::StatusOr<jobs::BatchOutcome> Create(jobs::Batch batch) {
    for (const auto& [id, other] : batches_) {
      if (batch.request_id.empty() || other.request_id != batch.request_id) continue;
      if (jobs::TenantOf(other) != jobs::TenantOf(batch)) continue;
      const bool same =
          other.defaults == batch.defaults && other.display_name == batch.display_name;
      if (!same) return absl::AlreadyExistsError("request_id");
      return jobs::BatchOutcome{*Get(id), false};
    }
    batches_[batch.id] = batch;
    return jobs::BatchOutcome{std::move(batch), true};
  }

  absl::StatusOr<jobs::Batch> Get(const BatchId& id) const {
    const auto entry = batches_.find(id);
    if (entry == batches_.end()) return absl::NotFoundError(id.name());
    jobs::Batch batch = entry->second;
    batch.version = version_;
    for (const auto& [job_id, job] : jobs_) {
      if (job.batch == id) Add(jobs::BatchShareOf(job).fate, jobs::BatchShareOf(job).bytes, batch);
    }
    for (const auto& [key, other] : entries_) {
      if (key.first != id) continue;
      Add(other.error.ok() ? jobs::EntryFate::kSkipped : jobs::EntryFate::kFailed, 0, batch);
    }
    return batch;
  }

  absl::StatusOr<std::vector<jobs::BatchErrors>> Errors(const BatchId& id) const {
    RETURN_IF_ERROR(Get(id).status());
    std::map<std::string, jobs::BatchErrors> kinds;
    for (const auto& [key, entry] : entries_) {
      if (key.first != id || entry.error.ok()) continue;
      AddError(entry.error, {JobId(), entry.entry, entry.url, MessageOf(entry.error)}, kinds);
    }
    for (const auto& [job_id, job] : jobs_) {
      if (job.batch != id || job.state != jobs::State::kFailed) continue;
      AddError(job.error, {job_id, job.batch_entry, job.spec.urls[0], MessageOf(job.error)}, kinds);
    }
    std::vector<jobs::BatchErrors> all;
    for (auto& [text, errors] : kinds) all.push_back(std::move(errors));
    std::ranges::sort(all, [](const jobs::BatchErrors& a, const jobs::BatchErrors& b) {
      if (a.count != b.count) return a.count > b.count;
      return a.kind.ToString() < b.kind.ToString();
    });
    return all;
  }

  absl::StatusOr<jobs::BatchPage> List(const std::string& tenant, int page_size,
                                       const std::string& page_token) const {
    jobs::BatchPage page;
    for (auto entry = batches_.rbegin(); entry != batches_.rend(); ++entry) {
      if (!page_token.empty() && entry->first.str() >= page_token) continue;
      if (!tenant.empty() && jobs::TenantOf(entry->second) != tenant) continue;
      if (static_cast<int>(page.batches.size()) == page_size) {
        page.next_page_token = page.batches.back().id.str();
        break;
      }
      page.batches.push_back(*Get(entry->first));
    }
    return page;
  }

  absl::StatusOr<jobs::Batch> Change(const BatchId& id, jobs::BatchRequest request) {
    absl::StatusOr<jobs::Batch> batch = Get(id);
    RETURN_IF_ERROR(batch.status());
    const jobs::BatchAction before = batch->action;
    RETURN_IF_ERROR(jobs::Apply(request, *batch));
    if (batch->action != before) after_[id] = JobId();
    jobs::Batch& stored = batches_[id];
    stored.sealed = batch->sealed;
    stored.cancelled = batch->cancelled;
    stored.action = batch->action;
    Touch();
    return Get(id);
  }

  /// For a new job: what AdmitToBatch of the SQLite store does.
  absl::Status Admit(const jobs::Job& job) {
    if (job.batch.empty()) return absl::OkStatus();
    RETURN_IF_ERROR(Get(job.batch).status());
    if (batches_[job.batch].sealed) return jobs::SealedError(job.batch);
    if (HasJob(job.batch, job.batch_entry)) {
      return jobs::EntryTakenError(job.batch, job.batch_entry);
    }
    entries_.erase({job.batch, job.batch_entry});
    return absl::OkStatus();
  }

  absl::Status Note(jobs::BatchEntry entry) {
    RETURN_IF_ERROR(Get(entry.batch).status());
    const Key key{entry.batch, entry.entry};
    if (HasJob(key.first, key.second) || entries_.contains(key)) return absl::OkStatus();
    if (batches_[entry.batch].sealed) return jobs::SealedError(entry.batch);
    entries_[key] = std::move(entry);
    Touch();
    return absl::OkStatus();
  }

  absl::StatusOr<jobs::BatchEntryPage> Entries(const BatchId& id, int page_size,
                                               const std::string& page_token) const {
    RETURN_IF_ERROR(Get(id).status());
    const auto after = static_cast<std::int64_t>(ParseDecimal(page_token).value_or(0));
    jobs::BatchEntryPage page;
    for (const auto& [key, entry] : entries_) {
      if (key.first != id || key.second <= after) continue;
      if (static_cast<int>(page.entries.size()) == page_size) {
        page.next_page_token = Concat(page.entries.back().entry);
        break;
      }
      page.entries.push_back(entry);
    }
    return page;
  }

  /// What is to be done next, at most `limit` jobs of it.
  struct Work {
    jobs::BatchAction action = jobs::BatchAction::kNone;
    BatchId batch;
    std::vector<JobId> jobs;
  };
  Work Next(int limit) {
    const auto entry = std::ranges::find_if(
        batches_, [](const auto& item) { return item.second.action != jobs::BatchAction::kNone; });
    if (entry == batches_.end()) return {};
    auto& [id, batch] = *entry;
    Work work{batch.action, id, {}};
    for (const auto& [job_id, job] : jobs_) {
      if (job.batch != id || job_id <= after_[id] || !IsFor(batch.action, job.state)) continue;
      if (static_cast<int>(work.jobs.size()) == limit) break;
      work.jobs.push_back(job_id);
    }
    if (!work.jobs.empty()) after_[id] = work.jobs.back();
    if (static_cast<int>(work.jobs.size()) < limit) batch.action = jobs::BatchAction::kNone;
    const bool gone =
        work.action == jobs::BatchAction::kDelete && batch.action == jobs::BatchAction::kNone;
    if (gone) {
      std::erase_if(entries_, [&work](const auto& item) { return item.first.first == work.batch; });
      batches_.erase(work.batch);
    }
    Touch();
    return work;
  }
  bool AnyAction() const {
    return std::ranges::any_of(
        batches_, [](const auto& item) { return item.second.action != jobs::BatchAction::kNone; });
  }

 private:
  using Key = std::pair<BatchId, std::int64_t>;

  static bool IsFor(jobs::BatchAction action, jobs::State state) {
    switch (action) {
      case jobs::BatchAction::kCancel:
        return !jobs::IsTerminal(state);
      case jobs::BatchAction::kRetry:
        return state == jobs::State::kFailed;
      case jobs::BatchAction::kRetryAll:
        return state == jobs::State::kFailed || state == jobs::State::kCancelled;
      case jobs::BatchAction::kDelete:
        return true;
      case jobs::BatchAction::kNone:
        break;
    }
    return false;
  }
  static void Add(jobs::EntryFate fate, std::uint64_t bytes, jobs::Batch& batch) {
    batch.counters.Of(fate).objects += 1;
    batch.counters.Of(fate).bytes += bytes;
  }
  static void AddError(const absl::Status& error, jobs::BatchErrors::Sample sample,
                       std::map<std::string, jobs::BatchErrors>& kinds) {
    const jobs::ErrorKind kind = jobs::ErrorKind::Of(error);
    jobs::BatchErrors& errors = kinds[kind.ToString()];
    errors.kind = kind;
    ++errors.count;
    if (errors.samples.size() < jobs::kMostErrorSamples)
      errors.samples.push_back(std::move(sample));
  }
  bool HasJob(const BatchId& id, std::int64_t entry) const {
    return std::ranges::any_of(jobs_, [&](const auto& item) {
      return item.second.batch == id && item.second.batch_entry == entry;
    });
  }

  Jobs& jobs_;
  std::map<BatchId, jobs::Batch> batches_;
  std::map<Key, jobs::BatchEntry> entries_;
  std::map<BatchId, JobId> after_;
  std::int64_t version_ = 1;
};

}  // namespace fetchd::testing
