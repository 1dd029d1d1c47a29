#include "sink/destinations.h"

#include <utility>

#include "sink/discard_sink.h"
#include "sink/file_reader.h"
#include "sink/file_sink.h"
#include "sink/file_tree.h"
#include "sink/sync_group.h"
#include "sink/temporary_sweep.h"

namespace fetchd::sink {
namespace {

/// syncfs(2) on the root's file system.
class TreeSyncer final : public FileSystemSyncer {
 public:
  explicit TreeSyncer(FileTree& tree) : tree_(tree) {}
  absl::Status SyncAll() override { return tree_.SyncFileSystem(); }

 private:
  FileTree& tree_;
};

// Directories looked at in one visit to the blocking pool: some milliseconds.
constexpr std::size_t kSweepStep = 512;

}  // namespace

struct Destinations::Core {
  Core(std::unique_ptr<FileTree> file_tree, runtime::BlockingPool& blocking)
      : tree(std::move(file_tree)), pool(blocking), syncer(*tree), commits(pool, syncer) {}

  const std::unique_ptr<FileTree> tree;
  runtime::BlockingPool& pool;
  TreeSyncer syncer;
  SyncGroup commits;
};

Destinations::Destinations(std::unique_ptr<Core> core) : core_(std::move(core)) {}
Destinations::~Destinations() = default;

absl::StatusOr<std::unique_ptr<Destinations>> Destinations::Open(std::filesystem::path files_root,
                                                                 Clock&,
                                                                 runtime::BlockingPool& pool,
                                                                 asio::any_io_executor,
                                                                 FileCalls& calls) {
  ASSIGN_OR_RETURN(std::unique_ptr<FileTree> tree, FileTree::Open(files_root, calls));
  RETURN_IF_ERROR(tree->SyncFileSystem());
  return std::unique_ptr<Destinations>(
      new Destinations(std::make_unique<Core>(std::move(tree), pool)));
}

std::unique_ptr<Sink> Destinations::MakeSink(const Destination& destination, const JobId& job,
                                             OverwritePolicy overwrite) {
  if (destination.kind == Destination::Kind::kDiscard) return std::make_unique<DiscardSink>();
  return std::make_unique<FileSink>(*core_->tree, core_->commits, core_->pool, destination.path,
                                    job, overwrite);
}

Task<absl::StatusOr<std::unique_ptr<Reader>>> Destinations::OpenForRead(Destination destination,
                                                                        std::uint64_t offset) {
  if (destination.kind == Destination::Kind::kDiscard) {
    co_return absl::FailedPreconditionError("discard: keeps no body: there is nothing to read");
  }
  co_return co_await core_->pool.Run([this, &destination, offset] {
    return FileReader::Open(*core_->tree, destination.path, offset, core_->pool);
  });
}

Task<absl::StatusOr<std::size_t>> Destinations::SweepTemporaries(
    std::function<bool(const JobId&)> live) {
  TemporarySweep sweep(*core_->tree, std::move(live));
  bool more = true;
  while (more) more = co_await core_->pool.Run([&sweep] { return sweep.Step(kSweepStep); });
  co_return sweep.removed();
}

Task<absl::Status> Destinations::DropTemporary(Destination destination, JobId job) {
  if (destination.kind == Destination::Kind::kDiscard) co_return absl::OkStatus();
  PartFile part(*core_->tree, destination.path, std::move(job), OverwritePolicy::kAlways);
  co_return co_await core_->pool.Run([&part] { return part.Discard(); });
}

}  // namespace fetchd::sink
