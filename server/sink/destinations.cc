#include "sink/destinations.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/strings.h"
#include "runtime/runtime.h"
#include "runtime/task_group.h"
#include "sink/discard_sink.h"
#include "sink/file_reader.h"
#include "sink/file_sink.h"
#include "sink/file_tree.h"
#include "sink/object_reader.h"
#include "sink/object_sink.h"
#include "sink/sync_group.h"
#include "sink/temporary_sweep.h"
#include "sink/upload_abort.h"

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

/// What the order leaves open is as the place has it.
objstore::ObjectAttributes Merge(objstore::ObjectAttributes order,
                                 const objstore::ObjectAttributes& place) {
  const auto fill = [](std::string& text, const std::string& from) {
    if (text.empty()) text = from;
  };
  fill(order.content_type, place.content_type);
  fill(order.content_disposition, place.content_disposition);
  fill(order.cache_control, place.cache_control);
  fill(order.storage_class, place.storage_class);
  order.encryption = place.encryption;
  order.kms_key_id = place.kms_key_id;
  return order;
}

absl::Status SourceDenied(const ObjectUri& uri, const std::string& rule, const std::string& why) {
  return WithReason(
      absl::PermissionDeniedError(Concat("nothing is fetched from ", uri.ToString(), ": ", why)),
      {"SOURCE_DENIED", {{"rule", rule}}});
}

// Directories looked at in one visit to the blocking pool: some milliseconds.
constexpr std::size_t kSweepStep = 512;

}  // namespace

struct Destinations::Core {
  Core(std::unique_ptr<FileTree> file_tree, Clock& common_clock, runtime::BlockingPool& blocking)
      : tree(std::move(file_tree)),
        clock(common_clock),
        pool(blocking),
        syncer(*tree),
        commits(pool, syncer) {}

  absl::StatusOr<const ObjectPlace*> PlaceOf(const ObjectUri& uri) const;
  absl::StatusOr<const ObjectPlace*> SourcePlaceOf(const ObjectUri& uri) const;
  /// That of the caller's shard.
  Task<absl::StatusOr<objstore::ObjectStore*>> StoreOf(ObjectUri uri) const;
  std::unique_ptr<Sink> MakeObjectSink(const ObjectPlace& place, const ObjectUri& uri,
                                       SinkOrder order);

  const std::unique_ptr<FileTree> tree;
  Clock& clock;
  runtime::BlockingPool& pool;
  TreeSyncer syncer;
  SyncGroup commits;
  std::vector<ObjectPlace> places;
  BufferPool* buffers = nullptr;
  std::vector<std::unique_ptr<runtime::TaskGroup>> uploads;  ///< One a shard.
};

// That of the name; else the one that lists the bucket, else the one that serves all.
absl::StatusOr<const ObjectPlace*> Destinations::Core::PlaceOf(const ObjectUri& uri) const {
  const ObjectPlace* found = nullptr;
  for (const ObjectPlace& place : places) {
    if (place.scheme != uri.scheme) continue;
    if (!uri.store.empty() && place.name == uri.store) return &place;
    if (!uri.store.empty()) continue;
    if (std::ranges::find(place.buckets, uri.bucket) != place.buckets.end()) return &place;
    if (place.buckets.empty()) found = &place;
  }
  if (found != nullptr) return found;
  const std::string what = uri.store.empty() ? Concat("the bucket \"", uri.bucket, '"')
                                             : Concat("the name \"", uri.store, '"');
  return absl::InvalidArgumentError(
      Concat("no store of type ", uri.scheme, " serves ", what, ": see stores.<name>"));
}

// Whoever lists a bucket says whether it is read from, whichever store is named.
absl::StatusOr<const ObjectPlace*> Destinations::Core::SourcePlaceOf(const ObjectUri& uri) const {
  ASSIGN_OR_RETURN(const ObjectPlace* place, PlaceOf(uri));
  const auto lists = [&uri](const ObjectPlace& each) {
    return std::ranges::find(each.buckets, uri.bucket) != each.buckets.end();
  };
  const auto closes = [&](const ObjectPlace& each) {
    return each.scheme == uri.scheme && !each.sources && (&each == place || lists(each));
  };
  if (const auto closed = std::ranges::find_if(places, closes); closed != places.end()) {
    const std::string rule = Concat("stores.", closed->name, ".sources");
    return SourceDenied(uri, rule, Concat(rule, " is off"));
  }
  if (place->buckets.empty() || lists(*place)) return place;
  const std::string rule = Concat("stores.", place->name, ".buckets");
  return SourceDenied(uri, rule, Concat("the bucket is not in ", rule));
}

Task<absl::StatusOr<objstore::ObjectStore*>> Destinations::Core::StoreOf(ObjectUri uri) const {
  CO_ASSIGN_OR_RETURN(const ObjectPlace* place, PlaceOf(uri));
  const asio::any_io_executor here = co_await asio::this_coro::executor;
  for (std::size_t shard = 0; shard < uploads.size(); ++shard) {
    if (uploads[shard]->executor() == here) co_return place->by_shard[shard].get();
  }
  co_return absl::InternalError("stores of objects are used on shards only");
}

std::unique_ptr<Sink> Destinations::Core::MakeObjectSink(const ObjectPlace& place,
                                                         const ObjectUri& uri, SinkOrder order) {
  FETCHD_CHECK(order.notes != nullptr);
  return std::make_unique<ObjectSink>(
      ObjectSink::Deps{*place.by_shard[order.shard], *buffers, clock, *uploads[order.shard],
                       *order.notes},
      ObjectSink::Options{.url = uri.ToString(),
                          .object = {uri.bucket, uri.key},
                          .attributes = Merge(std::move(order.attributes), place.attributes),
                          .overwrite = order.overwrite,
                          .part_bytes = place.part_bytes,
                          .parts_in_flight = place.parts_in_flight,
                          .note = std::move(order.note),
                          .deadline = order.deadline});
}

Destinations::Destinations(std::unique_ptr<Core> core) : core_(std::move(core)) {}
Destinations::~Destinations() = default;

absl::StatusOr<std::unique_ptr<Destinations>> Destinations::Open(std::filesystem::path files_root,
                                                                 Clock& clock,
                                                                 runtime::BlockingPool& pool,
                                                                 asio::any_io_executor,
                                                                 FileCalls& calls) {
  ASSIGN_OR_RETURN(std::unique_ptr<FileTree> tree, FileTree::Open(files_root, calls));
  RETURN_IF_ERROR(tree->SyncFileSystem());
  return std::unique_ptr<Destinations>(
      new Destinations(std::make_unique<Core>(std::move(tree), clock, pool)));
}

void Destinations::ServeObjects(std::vector<ObjectPlace> places, BufferPool& buffers,
                                const std::vector<asio::any_io_executor>& shards) {
  core_->places = std::move(places);
  core_->buffers = &buffers;
  for (const asio::any_io_executor& shard : shards) {
    core_->uploads.push_back(std::make_unique<runtime::TaskGroup>(shard));
  }
}

void Destinations::CloseObjects() {
  for (const std::unique_ptr<runtime::TaskGroup>& group : core_->uploads) {
    group->Cancel();
    runtime::RunBlocking(group->executor(), group->Join());
  }
  core_->uploads.clear();
  core_->places.clear();
}

absl::Status Destinations::Check(const Destination& destination) const {
  if (destination.kind != Destination::Kind::kObject) return absl::OkStatus();
  const absl::Status found = core_->PlaceOf(destination.object).status();
  if (found.ok()) return found;
  return WithField(found, {"destination", MessageOf(found)});
}

absl::Status Destinations::CheckSource(const ObjectUri& object) const {
  return core_->SourcePlaceOf(object).status();
}

absl::StatusOr<objstore::ObjectStore*> Destinations::SourceOf(const ObjectUri& object,
                                                              std::size_t shard) const {
  ASSIGN_OR_RETURN(const ObjectPlace* place, core_->SourcePlaceOf(object));
  return place->by_shard[shard].get();
}

absl::StatusOr<std::unique_ptr<Sink>> Destinations::MakeSink(const Destination& destination,
                                                             SinkOrder order) {
  switch (destination.kind) {
    case Destination::Kind::kDiscard:
      return std::make_unique<DiscardSink>();
    case Destination::Kind::kFile:
      return std::make_unique<FileSink>(
          core_->commits, core_->pool,
          PartFile(*core_->tree, destination.path, {order.job, order.run}, order.overwrite));
    case Destination::Kind::kObject:
      break;
  }
  ASSIGN_OR_RETURN(const ObjectPlace* place, core_->PlaceOf(destination.object));
  return core_->MakeObjectSink(*place, destination.object, std::move(order));
}

Task<absl::StatusOr<std::unique_ptr<Reader>>> Destinations::OpenForRead(Destination destination,
                                                                        std::uint64_t offset) {
  if (destination.kind == Destination::Kind::kDiscard) {
    co_return absl::FailedPreconditionError("discard: keeps no body: there is nothing to read");
  }
  if (destination.kind == Destination::Kind::kObject) {
    CO_ASSIGN_OR_RETURN(objstore::ObjectStore * store, co_await core_->StoreOf(destination.object));
    objstore::ObjectName name{destination.object.bucket, destination.object.key};
    co_return co_await ObjectReader::Open(*store, std::move(name), offset);
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

Task<absl::Status> Destinations::DropTemporary(Destination destination, JobId job,
                                               std::int64_t run) {
  if (destination.kind != Destination::Kind::kFile) co_return absl::OkStatus();
  PartFile part(*core_->tree, destination.path, {std::move(job), {run}}, OverwritePolicy::kAlways);
  co_return co_await core_->pool.Run([&part] { return part.Discard(); });
}

Task<absl::Status> Destinations::DropNoted(Destination destination, std::string note,
                                           std::vector<std::string> notes_of_others) {
  const std::optional<UploadNote> noted = UploadNote::Parse(note);
  if (destination.kind != Destination::Kind::kObject || !noted) co_return absl::OkStatus();
  CO_ASSIGN_OR_RETURN(objstore::ObjectStore * store, co_await core_->StoreOf(destination.object));
  objstore::ObjectName name{destination.object.bucket, destination.object.key};
  co_return co_await AbortNoted(*store, std::move(name), *noted, std::move(notes_of_others));
}

}  // namespace fetchd::sink
