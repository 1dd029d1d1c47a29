#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "sink/part_name.h"
#include "unit/sink/sink_fixture.h"

namespace fetchd::sink {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::SizeIs;
using ::testing::StrEq;
using enum absl::StatusCode;

class FileSinkTest : public SinkTest {};

TEST_F(FileSinkTest, NothingIsVisibleBeforeCommitAndAllAfter) {
  const auto sink = Make("a/b/body.bin", NewJob());
  EXPECT_EQ(*Await(sink->Open(0)), 0u);
  ASSERT_TRUE(Await(sink->Write(Bytes("hello "))).ok());
  ASSERT_TRUE(Await(sink->Write(Bytes("world"))).ok());
  EXPECT_EQ(Content("a/b/body.bin"), std::nullopt);

  const absl::StatusOr<Receipt> receipt = Await(sink->Commit());

  ASSERT_TRUE(receipt.ok()) << receipt.status();
  EXPECT_EQ(receipt->destination,
            "file://" + (std::filesystem::canonical(root_) / "a/b/body.bin").string());
  EXPECT_EQ(receipt->size_bytes, 11u);
  EXPECT_THAT(Content("a/b/body.bin"), Optional(StrEq("hello world")));
  EXPECT_THAT(Files(), ElementsAre("a/b/body.bin"));
}

TEST_F(FileSinkTest, PublishedFileIsReadableByOthersAndTheTemporaryIsNot) {
  const mode_t mask = ::umask(022);
  Reopen();
  ::umask(mask);
  const auto sink = Make("body", NewJob());
  ASSERT_TRUE(Await(sink->Open(0)).ok());
  ASSERT_TRUE(Await(sink->Write(Bytes("x"))).ok());
  struct stat info{};
  ASSERT_EQ(::stat((root_ / Files().front()).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);

  ASSERT_TRUE(Await(sink->Commit()).ok());

  ASSERT_EQ(::stat((root_ / "body").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0644u);
}

TEST_F(FileSinkTest, EmptyBodyIsAnEmptyFile) {
  const auto sink = Make("empty", NewJob());
  ASSERT_TRUE(Await(sink->Open(0)).ok());

  ASSERT_TRUE(Await(sink->Commit()).ok());

  EXPECT_THAT(Content("empty"), Optional(StrEq("")));
}

TEST_F(FileSinkTest, AbortLeavesNothing) {
  const auto sink = Make("body", NewJob());
  ASSERT_TRUE(Await(sink->Open(0)).ok());
  ASSERT_TRUE(Await(sink->Write(Bytes("half"))).ok());

  ASSERT_TRUE(Await(sink->Abort()).ok());

  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(FileSinkTest, DestructionKeepsBytesForALaterOpenAndDropsThoseBeyond) {
  const JobId job = NewJob();
  {
    const auto sink = Make("body", job);
    ASSERT_TRUE(Await(sink->Open(0)).ok());
    ASSERT_TRUE(Await(sink->Write(Bytes("0123456789"))).ok());
    EXPECT_EQ(*Await(sink->Checkpoint()), 10u);
  }
  Reopen();
  const auto sink = Make("body", job);

  EXPECT_EQ(*Await(sink->Open(6)), 6u);
  std::byte kept[32];
  EXPECT_EQ(*Await(sink->ReadBack(2, kept)), 4u);
  EXPECT_EQ(std::memcmp(kept, "2345", 4), 0);
  ASSERT_TRUE(Await(sink->Write(Bytes("abc"))).ok());
  ASSERT_TRUE(Await(sink->Commit()).ok());

  EXPECT_THAT(Content("body"), Optional(StrEq("012345abc")));
}

TEST_F(FileSinkTest, OpenBeginsAnewWhenFewerBytesWereKept) {
  const JobId job = NewJob();
  {
    const auto sink = Make("body", job);
    ASSERT_TRUE(Await(sink->Open(0)).ok());
    ASSERT_TRUE(Await(sink->Write(Bytes("0123"))).ok());
  }
  const auto sink = Make("body", job);

  EXPECT_EQ(*Await(sink->Open(5)), 0u);
  ASSERT_TRUE(Await(sink->Write(Bytes("new"))).ok());
  ASSERT_TRUE(Await(sink->Commit()).ok());

  EXPECT_THAT(Content("body"), Optional(StrEq("new")));
}

TEST_F(FileSinkTest, RestartDropsWhatWasWritten) {
  const auto sink = Make("body", NewJob());
  ASSERT_TRUE(Await(sink->Open(0)).ok());
  ASSERT_TRUE(Await(sink->Write(Bytes("old version"))).ok());

  ASSERT_TRUE(Await(sink->Restart()).ok());
  ASSERT_TRUE(Await(sink->Write(Bytes("new"))).ok());
  ASSERT_TRUE(Await(sink->Commit()).ok());

  EXPECT_THAT(Content("body"), Optional(StrEq("new")));
}

TEST_F(FileSinkTest, AlwaysReplacesWhatWasThere) {
  Put("body", "old");

  ASSERT_TRUE(Store("body", NewJob(), "new").ok());

  EXPECT_THAT(Content("body"), Optional(StrEq("new")));
}

TEST_F(FileSinkTest, NeverRefusesAtOpenWhenTheDestinationExists) {
  Put("body", "old");
  const auto sink = Make("body", NewJob(), OverwritePolicy::kNever);

  EXPECT_EQ(Await(sink->Open(0)).status().code(), kAlreadyExists);

  EXPECT_THAT(Content("body"), Optional(StrEq("old")));
}

TEST_F(FileSinkTest, NeverRefusesAtCommitWhenSomeoneWasFaster) {
  const auto sink = Make("body", NewJob(), OverwritePolicy::kNever);
  ASSERT_TRUE(Await(sink->Open(0)).ok());
  ASSERT_TRUE(Await(sink->Write(Bytes("mine"))).ok());
  Put("body", "theirs");

  EXPECT_EQ(Await(sink->Commit()).status().code(), kAlreadyExists);

  EXPECT_THAT(Content("body"), Optional(StrEq("theirs")));
}

TEST_F(FileSinkTest, NeverRecognisesItsOwnFileAfterACrashBeforeTheSuccessWasRecorded) {
  const JobId job = NewJob();
  ASSERT_TRUE(Store("body", job, "first", OverwritePolicy::kNever).ok());
  Reopen();

  ASSERT_TRUE(Store("body", job, "again", OverwritePolicy::kNever).ok());
  ASSERT_TRUE(
      Await(destinations_->DropTemporary({Destination::Kind::kFile, "body", {}}, job)).ok());

  EXPECT_THAT(Content("body"), Optional(StrEq("again")));
  EXPECT_THAT(Files(), ElementsAre("body"));
}

TEST_F(FileSinkTest, NeverLeavesItsOwnPublishedFileWholeForThoseWhoReadIt) {
  const JobId job = NewJob();
  ASSERT_TRUE(Store("body", job, "first", OverwritePolicy::kNever).ok());
  std::ifstream reader(root_ / "body");

  ASSERT_TRUE(Store("body", job, "again, and longer", OverwritePolicy::kNever).ok());

  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(reader), {}), "first");
}

TEST_F(FileSinkTest, NeverDoesNotWriteIntoItsOwnFileThatWasMovedAway) {
  const JobId job = NewJob();
  ASSERT_TRUE(Store("body", job, "first", OverwritePolicy::kNever).ok());
  std::filesystem::rename(root_ / "body", root_ / "moved");

  ASSERT_TRUE(Store("body", job, "again", OverwritePolicy::kNever).ok());

  EXPECT_THAT(Content("moved"), Optional(StrEq("first")));
  EXPECT_THAT(Content("body"), Optional(StrEq("again")));
}

TEST_F(FileSinkTest, IfDifferentLeavesAnEqualFileUntouched) {
  Put("body", "same bytes");
  struct stat before{};
  ASSERT_EQ(::stat((root_ / "body").c_str(), &before), 0);

  ASSERT_TRUE(Store("body", NewJob(), "same bytes", OverwritePolicy::kIfDifferent).ok());

  struct stat after{};
  ASSERT_EQ(::stat((root_ / "body").c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
  EXPECT_THAT(Files(), ElementsAre("body"));
}

TEST_F(FileSinkTest, IfDifferentReplacesOtherBytesOfTheSameSize) {
  Put("body", "aaaa");

  ASSERT_TRUE(Store("body", NewJob(), "aaab", OverwritePolicy::kIfDifferent).ok());

  EXPECT_THAT(Content("body"), Optional(StrEq("aaab")));
}

TEST_F(FileSinkTest, DirectoryLinkAndFifoInTheWayAreRefused) {
  std::filesystem::create_directory(root_ / "directory");
  std::filesystem::create_symlink("elsewhere", root_ / "link");
  ASSERT_EQ(::mkfifo((root_ / "fifo").c_str(), 0600), 0);

  for (const char* name : {"directory", "link", "fifo"}) {
    EXPECT_EQ(Store(name, NewJob(), "x").code(), kFailedPrecondition) << name;
  }
}

TEST_F(FileSinkTest, SymbolicLinksOnTheWayAreNotFollowed) {
  const auto outside = std::filesystem::path(root_.string() + "-outside");
  std::filesystem::create_directory(outside);
  std::filesystem::create_directory_symlink(outside, root_ / "absolute");
  std::filesystem::create_directory(root_ / "inside");
  std::filesystem::create_directory_symlink("inside", root_ / "relative");

  EXPECT_EQ(Store("absolute/body", NewJob(), "x").code(), kFailedPrecondition);
  EXPECT_EQ(Store("relative/body", NewJob(), "x").code(), kFailedPrecondition);
  EXPECT_EQ(Store("relative/new/body", NewJob(), "x").code(), kFailedPrecondition);

  EXPECT_TRUE(std::filesystem::is_empty(outside));
  std::filesystem::remove_all(outside);
}

TEST_F(FileSinkTest, PathsThatWouldClimbOutAreRefusedByTheKernelToo) {
  for (const char* path : {"../out", "a/../../out", "/etc/out"}) {
    EXPECT_FALSE(Store(path, NewJob(), "x").ok()) << path;
  }
  EXPECT_FALSE(std::filesystem::exists(root_.parent_path() / "out"));
}

TEST_F(FileSinkTest, FileAsADirectoryIsRefused) {
  Put("a", "file");

  EXPECT_EQ(Store("a/b", NewJob(), "x").code(), kFailedPrecondition);
}

TEST_F(FileSinkTest, VanishedTemporaryIsWorthAnotherAttempt) {
  const auto sink = Make("d/body", NewJob());
  ASSERT_TRUE(Await(sink->Open(0)).ok());
  ASSERT_TRUE(Await(sink->Write(Bytes("x"))).ok());
  std::filesystem::remove_all(root_ / "d");

  EXPECT_EQ(Await(sink->Commit()).status().code(), kUnavailable);
}

TEST_F(FileSinkTest, FullDiskIsResourceExhausted) {
  const auto old_handler = ::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  const rlimit small{64, old_limit.rlim_max};
  const auto sink = Make("body", NewJob());
  ASSERT_TRUE(Await(sink->Open(0)).ok());
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);

  const absl::Status written = Await(sink->Write(Bytes(std::string(100, 'x'))));
  ::setrlimit(RLIMIT_FSIZE, &old_limit);
  ::signal(SIGXFSZ, old_handler);

  EXPECT_EQ(written.code(), kResourceExhausted) << written;
  EXPECT_EQ(GetReason(written)->reason, "DISK_FULL");
  EXPECT_TRUE(Await(sink->Abort()).ok());
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(FileSinkTest, NoFreeDescriptorIsWorthAnotherAttempt) {
  const auto sink = Make("d/body", NewJob());
  ASSERT_TRUE(Await(sink->Open(0)).ok());
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);

  const absl::Status written = Await(sink->Write(Bytes("x")));
  ::setrlimit(RLIMIT_NOFILE, &before);

  EXPECT_EQ(written.code(), kUnavailable) << written;
  EXPECT_EQ(GetReason(written)->reason, "FILE_IO");
}

TEST_F(FileSinkTest, LongNamesGetAShortenedTemporary) {
  const std::string name(255, 'n');

  ASSERT_TRUE(Store(name, NewJob(), "x").ok());

  EXPECT_THAT(Files(), ElementsAre(name));
}

TEST_F(FileSinkTest, SweepRemovesOrphansOnly) {
  const JobId live = NewJob();
  const JobId dead = NewJob();
  for (const JobId& job : {live, dead}) {
    const auto sink = Make("deep/er/" + job.str() + "/body", job);
    ASSERT_TRUE(Await(sink->Open(0)).ok());
    ASSERT_TRUE(Await(sink->Write(Bytes("part"))).ok());
  }
  Put("deep/.hidden.fetchd-part", "somebody's own file");

  const auto removed =
      Await(destinations_->SweepTemporaries([&](const JobId& job) { return job == live; }));

  EXPECT_EQ(*removed, 1u);
  EXPECT_THAT(Files(), SizeIs(2));
  EXPECT_THAT(Content("deep/er/" + live.str() + "/" + PartFileName("body", live)),
              Optional(StrEq("part")));
}

TEST_F(FileSinkTest, ReaderGivesTheBodyFromAnOffset) {
  Put("body", "0123456789");

  auto reader = Await(destinations_->OpenForRead({Destination::Kind::kFile, "body", {}}, 4));
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ((*reader)->size_bytes(), 10u);
  Buffer buffer = *Await(buffers_.Acquire(1, clock_, Deadline::Never()));
  EXPECT_EQ(*Await((*reader)->Read(buffer)), 6u);
  EXPECT_EQ(std::memcmp(buffer.bytes().data(), "456789", 6), 0);
  EXPECT_EQ(*Await((*reader)->Read(buffer)), 0u);
}

TEST_F(FileSinkTest, ReaderSaysWhyItCannotRead) {
  Put("body", "0123");
  std::filesystem::create_symlink("body", root_ / "link");
  const auto open = [&](Destination destination, std::uint64_t offset) {
    return Await(destinations_->OpenForRead(std::move(destination), offset)).status().code();
  };

  EXPECT_EQ(open({Destination::Kind::kFile, "body"}, 4), kOk);
  EXPECT_EQ(open({Destination::Kind::kFile, "body"}, 5), kOutOfRange);
  EXPECT_EQ(open({Destination::Kind::kFile, "gone"}, 0), kNotFound);
  EXPECT_EQ(open({Destination::Kind::kFile, "link"}, 0), kFailedPrecondition);
  EXPECT_EQ(open(Destination{}, 0), kFailedPrecondition);
}

TEST_F(FileSinkTest, DiscardCountsAndNeverResumes) {
  const auto sink = *destinations_->MakeSink(Destination{}, {.job = NewJob()});

  EXPECT_EQ(*Await(sink->Open(100)), 0u);
  ASSERT_TRUE(Await(sink->Write(Bytes("12345"))).ok());
  const auto receipt = Await(sink->Commit());

  EXPECT_EQ(receipt->destination, "discard:");
  EXPECT_EQ(receipt->size_bytes, 5u);
}

}  // namespace
}  // namespace fetchd::sink
