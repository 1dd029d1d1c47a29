// Durable commits that share their flushes.
#pragma once

#include <deque>
#include <mutex>
#include <vector>

#include "base/task.h"
#include "runtime/blocking_pool.h"
#include "sink/file_tree.h"

namespace fetchd::sink {

/// What one commit has to do. All calls block, on a pool thread, in this order, SyncData() or
/// CheckSynced(); after an error none.
class Publication {
 public:
  virtual ~Publication() = default;
  /// Does FileSystemSyncer::SyncAll() flush this file? Not when a file system is mounted in
  /// between.
  virtual bool reached_by_sync_all() const = 0;
  virtual absl::Status SyncData() = 0;  ///< Flushes the file's bytes.
  /// After SyncAll(): were this file's bytes written? That says so only for the file system as a
  /// whole, and to whoever asks first.
  virtual absl::Status CheckSynced() = 0;
  virtual absl::Status Publish() = 0;      ///< Gives the file its final name.
  virtual absl::Status SyncEntries() = 0;  ///< The directory, and parents that are new.
};

/// Flushes everything at once. A seam: tests count and fail.
class FileSystemSyncer {
 public:
  virtual ~FileSystemSyncer() = default;
  virtual absl::Status SyncAll() = 0;
};

/// Commits that arrive while others are being flushed wait and then go together. A small group
/// flushes file by file; from kSyncAllFrom on, two syncfs(2) serve all: measured on ext4, each file
/// in a new directory, per group of 1 / 8 / 64 / 256: file by file 0.95 / 5.2 / 39 / 151 ms,
/// fdatasync on 8 threads 1.7 / 3.6 / 19 / 68 ms, syncfs 0.87 / 0.79 / 2.4 / 9 ms. syncfs also
/// waits for what others wrote to the file system, which is why a commit that is alone does not use
/// it. After the first one each file is asked for its own write errors; by sync_file_range(2), as
/// an fdatasync(2) flushes the device even when the file is clean: 64 of them made 18 ms 270 ms. A
/// name that syncfs could not write is an error of the file system's journal, which every later
/// call meets too. Thread-safe; outlives its commits.
class SyncGroup {
 public:
  static constexpr std::size_t kSyncAllFrom = 3;

  SyncGroup(runtime::BlockingPool& pool, FileSystemSyncer& syncer) : pool_(pool), syncer_(syncer) {}

  /// OK once the file and its name are durable. Not interrupted: a caller that is cancelled
  /// meanwhile throws at its next co_await.
  Task<absl::Status> Commit(Publication& publication);

 private:
  struct Waiter;
  Task<void> AwaitTurn(Waiter& waiter);
  void RunBatch();
  absl::Status RunAlone(Publication& publication);
  void RunTogether(const std::vector<Waiter*>& batch);
  void Settle(const std::deque<Waiter*>& batch);

  runtime::BlockingPool& pool_;
  FileSystemSyncer& syncer_;
  std::mutex mutex_;      ///< Guards all below.
  bool leading_ = false;  ///< A waiter runs, or has been told to run, the next batch.
  std::deque<Waiter*> queue_;
};

}  // namespace fetchd::sink
