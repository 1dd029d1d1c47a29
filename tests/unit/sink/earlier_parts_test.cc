// Several runs of one job on one file system, each of another process.
#include <functional>
#include <utility>

#include "sink/part_name.h"
#include "unit/sink/sink_fixture.h"

namespace fetchd::sink {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::SizeIs;
using ::testing::StrEq;

class EarlierPartsTest : public SinkTest {
 protected:
  /// Of the run `own`, when the last checkpoint is of `kept`.
  std::unique_ptr<Sink> Run(std::int64_t own, std::int64_t kept = 0,
                            OverwritePolicy overwrite = OverwritePolicy::kAlways) {
    return *destinations_->MakeSink({Destination::Kind::kFile, "body", {}},
                                    {.job = job_, .run = {own, kept}, .overwrite = overwrite});
  }
  /// A run that has written `text` and goes on.
  std::unique_ptr<Sink> RunWith(std::int64_t own, std::string_view text) {
    std::unique_ptr<Sink> sink = Run(own);
    EXPECT_TRUE(Await(sink->Open(0)).ok());
    EXPECT_TRUE(Await(sink->Write(Bytes(text))).ok());
    EXPECT_TRUE(Await(sink->Checkpoint()).ok());
    return sink;
  }
  std::string PartOf(std::int64_t run) const { return PartFileName("body", job_, run); }
  absl::Status Finish(Sink& sink, std::string_view rest) {
    RETURN_IF_ERROR(Await(sink.Write(Bytes(rest))));
    return Await(sink.Commit()).status();
  }

  const JobId job_ = NewJob();
};

TEST_F(EarlierPartsTest, WhatADeadRunKeptIsTakenOver) {
  RunWith(1, "hello ").reset();

  const auto heir = Run(3, 1);

  EXPECT_EQ(*Await(heir->Open(6)), 6u);
  EXPECT_THAT(Files(), ElementsAre(PartOf(3)));
  EXPECT_EQ(Finish(*heir, "world"), absl::OkStatus());
  EXPECT_THAT(Content("body"), Optional(StrEq("hello world")));
  EXPECT_THAT(Files(), ElementsAre("body"));
}

TEST_F(EarlierPartsTest, ARunThatGoesOnWithoutItsJobWritesToNothingThatCounts) {
  const auto zombie = RunWith(1, "hello ");
  const auto heir = Run(2, 1);
  ASSERT_EQ(*Await(heir->Open(6)), 6u);

  ASSERT_TRUE(Await(zombie->Write(Bytes("WRONG AND LONGER"))).ok());
  ASSERT_TRUE(Await(heir->Write(Bytes("world"))).ok());
  EXPECT_TRUE(absl::IsUnavailable(Await(zombie->Commit()).status())) << "it has no name any more";
  EXPECT_EQ(Content("body"), std::nullopt);

  ASSERT_TRUE(Await(heir->Commit()).ok());
  EXPECT_THAT(Content("body"), Optional(StrEq("hello world")));
  EXPECT_THAT(Files(), ElementsAre("body"));
}

TEST_F(EarlierPartsTest, WhoGivesUpAJobThatItLostLeavesTheFileOfTheHeir) {
  const auto zombie = RunWith(1, "hello ");
  const auto heir = Run(2, 1);
  ASSERT_EQ(*Await(heir->Open(6)), 6u);

  EXPECT_TRUE(Await(zombie->Abort()).ok());

  EXPECT_THAT(Files(), ElementsAre(PartOf(2)));
}

TEST_F(EarlierPartsTest, AFreshRunTakesFromTheEarlierOnesTheirNames) {
  const auto zombie = RunWith(1, "hello");
  const auto heir = Run(2);

  EXPECT_EQ(*Await(heir->Open(0)), 0u);

  EXPECT_TRUE(absl::IsUnavailable(Await(zombie->Commit()).status()));
  EXPECT_EQ(Finish(*heir, "other"), absl::OkStatus());
  EXPECT_THAT(Content("body"), Optional(StrEq("other")));
}

TEST_F(EarlierPartsTest, TheLatestOfThoseThatHaveEnoughIsTaken) {
  RunWith(2, "old stuff").reset();
  RunWith(4, "new").reset();
  Put(PartOf(5), "x");

  const auto heir = Run(6, 2);

  EXPECT_EQ(*Await(heir->Open(3)), 3u);
  EXPECT_EQ(Finish(*heir, "er"), absl::OkStatus());
  EXPECT_THAT(Content("body"), Optional(StrEq("newer")));
  EXPECT_THAT(Files(), ElementsAre("body"));
}

TEST_F(EarlierPartsTest, RunsBeforeTheCheckpointHaveOtherBytes) {
  RunWith(1, "of an earlier version").reset();

  const auto heir = Run(3, 2);

  EXPECT_EQ(*Await(heir->Open(6)), 0u);
  EXPECT_THAT(Files(), SizeIs(1));
}

TEST_F(EarlierPartsTest, WhatASingleProcessKeptBeforeIsTakenOver) {
  Put(PartOf(0), "hello ");

  const auto heir = Run(2, 0);

  EXPECT_EQ(*Await(heir->Open(6)), 6u);
  EXPECT_THAT(Files(), ElementsAre(PartOf(2)));
}

TEST_F(EarlierPartsTest, WhatCannotBeCopiedIsFetchedAgain) {
  struct NoRoom final : FileCalls {
    int Copy(int, int, std::uint64_t) override {
      errno = ENOSPC;
      return -1;
    }
  } calls;
  Reopen(calls);
  const auto zombie = RunWith(1, "hello ");

  const auto heir = Run(2, 1);

  EXPECT_EQ(*Await(heir->Open(6)), 0u);
  EXPECT_THAT(Files(), ElementsAre(PartOf(2)));
}

TEST_F(EarlierPartsTest, NeverRecognisesWhatAnEarlierRunPublished) {
  const auto first = Run(1, 0, OverwritePolicy::kNever);
  ASSERT_TRUE(Await(first->Open(0)).ok());
  ASSERT_EQ(Finish(*first, "first"), absl::OkStatus());

  const auto heir = Run(3, 0, OverwritePolicy::kNever);
  ASSERT_TRUE(Await(heir->Open(0)).ok());
  ASSERT_EQ(Finish(*heir, "again"), absl::OkStatus());
  ASSERT_TRUE(
      Await(destinations_->DropTemporary({Destination::Kind::kFile, "body", {}}, job_, 3)).ok());

  EXPECT_THAT(Content("body"), Optional(StrEq("again")));
  EXPECT_THAT(Files(), ElementsAre("body"));
}

TEST_F(EarlierPartsTest, ARunThatWritesNothingHasItsNameBeforeItPublishes) {
  const auto zombie = Run(1);
  ASSERT_TRUE(Await(zombie->Open(0)).ok());
  const auto heir = Run(2);
  ASSERT_TRUE(Await(heir->Open(0)).ok());
  ASSERT_EQ(Finish(*heir, "body"), absl::OkStatus());

  EXPECT_TRUE(absl::IsUnavailable(Await(zombie->Commit()).status()));

  EXPECT_THAT(Content("body"), Optional(StrEq("body")));
}

TEST_F(EarlierPartsTest, ARunWhoseNameWasTakenWhileItOpenedWritesNothing) {
  struct Late final : FileCalls {
    int Lock(int fd) override {
      if (before_lock) std::exchange(before_lock, nullptr)();
      return FileCalls::Lock(fd);
    }
    std::function<void()> before_lock;
  } calls;
  RunWith(1, "hello ").reset();
  Reopen(calls);
  const auto late = Run(3);
  calls.before_lock = [this] { std::filesystem::rename(root_ / PartOf(3), root_ / PartOf(5)); };

  EXPECT_TRUE(absl::IsUnavailable(Await(late->Open(0)).status()));
}

TEST_F(EarlierPartsTest, NeverRecognisesWhatIsPublishedWhileTheNextRunOpens) {
  struct Racing final : FileCalls {
    int Unlink(int directory, const std::string& name) override {
      if (before_unlink) std::exchange(before_unlink, nullptr)();
      return FileCalls::Unlink(directory, name);
    }
    std::function<void()> before_unlink;
  } calls;
  Reopen(calls);
  const auto zombie = Run(1, 0, OverwritePolicy::kNever);
  ASSERT_TRUE(Await(zombie->Open(0)).ok());
  ASSERT_TRUE(Await(zombie->Write(Bytes("first"))).ok());
  const auto heir = Run(2, 0, OverwritePolicy::kNever);
  calls.before_unlink = [this] {
    std::filesystem::create_hard_link(root_ / PartOf(1), root_ / "body");
  };

  EXPECT_TRUE(Await(heir->Open(0)).ok());
  EXPECT_EQ(Finish(*heir, "again"), absl::OkStatus());

  EXPECT_THAT(Content("body"), Optional(StrEq("again")));
}

TEST_F(EarlierPartsTest, AJobThatEndsLeavesNothingOfAnyRun) {
  RunWith(1, "a").reset();
  Put(PartOf(2), "b");
  Put(PartOf(3), "c");

  ASSERT_TRUE(
      Await(destinations_->DropTemporary({Destination::Kind::kFile, "body", {}}, job_, 3)).ok());

  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(EarlierPartsTest, NamesTellTheirJob) {
  EXPECT_EQ(JobOfPartFile(PartFileName("body", job_, 0)), job_);
  EXPECT_EQ(JobOfPartFile(PartFileName("body.7", job_, 12)), job_);
  EXPECT_EQ(JobOfPartFile(PartFileName("", job_, 1)), job_);
  const std::vector<std::string> others = {"." + job_.str() + ".fetchd-part",
                                           ".body." + job_.str() + ".x1.fetchd-part",
                                           ".body." + job_.str() + ".1.2.fetchd-part",
                                           "body." + job_.str() + ".1.fetchd-part",
                                           ".body.1.fetchd-part",
                                           ".1.fetchd-part",
                                           ".fetchd-part"};
  for (const std::string& name : others) {
    EXPECT_EQ(JobOfPartFile(name), std::nullopt) << name;
  }
  EXPECT_LE(
      PartFileName(std::string(300, 'n'), job_, std::numeric_limits<std::int64_t>::max()).size(),
      255u);
}

}  // namespace
}  // namespace fetchd::sink
