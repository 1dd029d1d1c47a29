// In which order files are made durable and visible, and what each step leaves that fails.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <mutex>

#include "sink/part_file.h"
#include "sink/part_name.h"
#include "unit/sink/sink_fixture.h"

namespace fetchd::sink {
namespace {

using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using enum absl::StatusCode;

/// Notes each call and the path that it is about, and makes one of them fail.
class WatchedCalls final : public FileCalls {
 public:
  /// The n-th call from now on fails with EIO; none does when it is 0.
  void FailAt(std::size_t step) {
    const std::lock_guard lock(mutex_);
    lines_.clear();
    fail_at_ = step;
  }
  std::vector<std::string> lines() const {
    const std::lock_guard lock(mutex_);
    return lines_;
  }
  bool failed() const { return fail_at_ != 0 && lines().size() >= fail_at_; }

  int OpenBeneath(int root, const std::string& path, int flags, mode_t mode) override {
    return Step("look into", path) ? FileCalls::OpenBeneath(root, path, flags, mode) : -1;
  }
  int OpenAt(int directory, const std::string& name, int flags, mode_t mode) override {
    return Step("open", name) ? FileCalls::OpenAt(directory, name, flags, mode) : -1;
  }
  int MakeDirectory(int parent, const std::string& name, mode_t mode) override {
    return Step("make directory", name) ? FileCalls::MakeDirectory(parent, name, mode) : -1;
  }
  ssize_t Write(int fd, std::span<const std::byte> bytes, std::uint64_t offset) override {
    return Step("write", NameOf(fd)) ? FileCalls::Write(fd, bytes, offset) : -1;
  }
  int Truncate(int fd, std::uint64_t size_bytes) override {
    return Step("truncate", NameOf(fd)) ? FileCalls::Truncate(fd, size_bytes) : -1;
  }
  int SetMode(int fd, mode_t mode) override {
    return Step("set mode", NameOf(fd)) ? FileCalls::SetMode(fd, mode) : -1;
  }
  int Rename(int directory, const std::string& from, const std::string& to) override {
    return Step("publish", to) ? FileCalls::Rename(directory, from, to) : -1;
  }
  int Link(int directory, const std::string& from, const std::string& to) override {
    return Step("publish", to) ? FileCalls::Link(directory, from, to) : -1;
  }
  int Unlink(int directory, const std::string& name) override {
    return Step("remove", name) ? FileCalls::Unlink(directory, name) : -1;
  }
  int SyncData(int fd) override {
    return Step("sync data", NameOf(fd)) ? FileCalls::SyncData(fd) : -1;
  }
  int SyncDirectory(int fd) override {
    return Step("sync directory", NameOf(fd)) ? FileCalls::SyncDirectory(fd) : -1;
  }
  int SyncFileSystem(int fd) override {
    return Step("sync file system", NameOf(fd)) ? FileCalls::SyncFileSystem(fd) : -1;
  }
  int AwaitWriteBack(int fd) override {
    return Step("check", NameOf(fd)) ? FileCalls::AwaitWriteBack(fd) : -1;
  }

 private:
  /// The last segment: tests use each once.
  static std::string NameOf(int fd) {
    std::array<char, PATH_MAX> path;
    const ssize_t size = ::readlink(Concat("/proc/self/fd/", fd).c_str(), path.data(), path.size());
    return std::filesystem::path(std::string(path.data(), static_cast<std::size_t>(size)))
        .filename();
  }

  bool Step(std::string_view what, const std::string& name) {
    const std::lock_guard lock(mutex_);
    lines_.push_back(Concat(what, ' ', name));
    if (lines_.size() != fail_at_) return true;
    errno = EIO;
    return false;
  }

  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
  std::size_t fail_at_ = 0;
};

class DurabilityTest : public SinkTest {
 protected:
  DurabilityTest() { Reopen(calls_); }
  ~DurabilityTest() override { destinations_.reset(); }

  /// Those that flush, publish or remove, in order.
  std::vector<std::string> Flushes() const {
    std::vector<std::string> flushes;
    for (const std::string& line : calls_.lines()) {
      if (line.starts_with("sync") || line.starts_with("publish") || line.starts_with("remove")) {
        flushes.push_back(line);
      }
    }
    return flushes;
  }

  WatchedCalls calls_;
};

TEST_F(DurabilityTest, DataThenNameThenDirectoryThenNewParents) {
  const JobId job = NewJob();
  calls_.FailAt(0);

  ASSERT_TRUE(Store("a/b/body", job, "bytes").ok());

  EXPECT_THAT(
      Flushes(),
      ElementsAre("sync data " + PartFileName("body", job), "publish body", "sync directory b",
                  "sync directory " + root_.filename().string(), "sync directory a"));
}

TEST_F(DurabilityTest, ParentsThatAreDurableAreNotFlushedAgain) {
  ASSERT_TRUE(Store("a/b/body", NewJob(), "bytes").ok());
  const JobId job = NewJob();
  calls_.FailAt(0);

  ASSERT_TRUE(Store("a/b/other", job, "bytes").ok());

  EXPECT_THAT(Flushes(), ElementsAre("sync data " + PartFileName("other", job), "publish other",
                                     "sync directory b"));
}

TEST_F(DurabilityTest, EqualFileIsFlushedBeforeItCountsAsThisJobs) {
  Put("a/body", "same");
  const JobId job = NewJob();
  calls_.FailAt(0);

  ASSERT_TRUE(Store("a/body", job, "same", OverwritePolicy::kIfDifferent).ok());

  EXPECT_THAT(Flushes(), ElementsAre("sync data body", "sync directory a",
                                     "remove " + PartFileName("body", job)));
}

TEST_F(DurabilityTest, CheckpointFlushesTheTemporaryFileAndItsName) {
  const JobId job = NewJob();
  const auto sink = Make("a/body", job);
  ASSERT_TRUE(Await(sink->Open(0)).ok());
  ASSERT_TRUE(Await(sink->Write(Bytes("bytes"))).ok());
  calls_.FailAt(0);

  ASSERT_TRUE(Await(sink->Checkpoint()).ok());

  EXPECT_THAT(Flushes(), ElementsAre("sync data " + PartFileName("body", job), "sync directory a",
                                     "sync directory " + root_.filename().string()));
}

TEST_F(DurabilityTest, WhatAKilledProcessLeftUnflushedIsFlushedAtTheStart) {
  calls_.FailAt(0);
  Reopen(calls_);

  EXPECT_THAT(calls_.lines(), Contains(StartsWith("sync file system")));
  const std::size_t step = calls_.lines().size();
  calls_.FailAt(step);
  const auto opened = Destinations::Open(root_, clock_, pool_, loop_.get_executor(), calls_);
  EXPECT_EQ(opened.status().code(), kUnavailable) << opened.status();
}

TEST_F(DurabilityTest, FileSystemMountedBeneathTheRootIsNotReachedByItsFlush) {
  struct stat root{};
  struct stat mounted{};
  const bool two_file_systems =
      ::stat("/", &root) == 0 && ::stat("/dev/shm", &mounted) == 0 && root.st_dev != mounted.st_dev;
  const auto tree = FileTree::Open("/");
  if (!two_file_systems || !tree.ok()) GTEST_SKIP() << "needs root, and a /dev/shm of its own";
  std::string folder = "/dev/shm/fetchd-sink-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  PartFile here(**tree, (root_ / "body").string().substr(1), {NewJob()}, OverwritePolicy::kAlways);
  PartFile beneath(**tree, (folder + "/body").substr(1), {NewJob()}, OverwritePolicy::kAlways);

  EXPECT_TRUE(here.Open(0).ok());
  EXPECT_TRUE(beneath.Open(0).ok());

  struct stat used{};
  ASSERT_EQ(::stat(root_.c_str(), &used), 0);
  EXPECT_EQ(here.reached_by_sync_all(), used.st_dev == root.st_dev);
  EXPECT_FALSE(beneath.reached_by_sync_all());
  std::filesystem::remove_all(folder);
}

struct StepCase {
  const char* name;
  OverwritePolicy overwrite;
  std::optional<std::string> before;
  bool own = false;  ///< What is there was published by this job, before a crash.
};
void PrintTo(const StepCase& c, std::ostream* out) { *out << c.name; }

class EachStepTest : public DurabilityTest, public ::testing::WithParamInterface<StepCase> {
 protected:
  static constexpr char kPath[] = "a/b/body";
  static constexpr char kBytes[] = "new bytes";

  void Prepare(const JobId& job) {
    for (const auto& entry : std::filesystem::directory_iterator(root_)) {
      std::filesystem::remove_all(entry.path());
    }
    Reopen(calls_);
    const StepCase& c = GetParam();
    if (c.own) {
      ASSERT_TRUE(Store(kPath, job, *c.before, c.overwrite).ok());
    } else if (c.before) {
      Put(kPath, *c.before);
    }
  }
  bool Published() const {
    const std::vector<std::string> lines = calls_.lines();
    // The last call failed, whatever it was.
    return std::find(lines.begin(), lines.end() - 1, "publish body") != lines.end() - 1;
  }
};

TEST_P(EachStepTest, FailsTheCommitLeavesWholeFilesAndIsMadeGoodByAnotherAttempt) {
  const StepCase& c = GetParam();
  std::size_t step = 1;
  for (;; ++step) {
    const JobId job = NewJob();
    Prepare(job);
    calls_.FailAt(step);
    const absl::Status status = Store(kPath, job, kBytes, c.overwrite);
    if (!calls_.failed()) break;
    SCOPED_TRACE(Concat("step ", step, ": ", calls_.lines().back()));

    EXPECT_EQ(status.code(), kUnavailable) << status;
    EXPECT_EQ(GetReason(status)->reason, "FILE_IO");
    const std::optional<std::string> content = Content(kPath);
    if (Published()) {
      EXPECT_EQ(content, kBytes);
    } else if (c.own) {
      EXPECT_THAT(content, AnyOf(c.before, std::nullopt));
    } else {
      EXPECT_EQ(content, c.before);
    }
    calls_.FailAt(0);
    EXPECT_EQ(Store(kPath, job, kBytes, c.overwrite), absl::OkStatus());
    EXPECT_TRUE(
        Await(destinations_->DropTemporary({Destination::Kind::kFile, kPath, {}}, job)).ok());
    EXPECT_EQ(Content(kPath), kBytes);
    EXPECT_THAT(Files(), ElementsAre(kPath));
  }
  EXPECT_GT(step, 6u) << "the steps were met";
}

INSTANTIATE_TEST_SUITE_P(
    All, EachStepTest,
    ::testing::Values(StepCase{"New", OverwritePolicy::kAlways, std::nullopt},
                      StepCase{"Replaced", OverwritePolicy::kAlways, "old"},
                      StepCase{"Never", OverwritePolicy::kNever, std::nullopt},
                      StepCase{"NeverAgain", OverwritePolicy::kNever, "first", true},
                      StepCase{"Different", OverwritePolicy::kIfDifferent, "other"},
                      StepCase{"NotDifferent", OverwritePolicy::kIfDifferent, "new bytes"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace fetchd::sink
