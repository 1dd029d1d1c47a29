// Bytes that are written before those in front of them.
#include "sink/written_ahead.h"

#include <fcntl.h>

#include "sink/part_file.h"
#include "unit/sink/sink_fixture.h"

namespace fetchd::sink {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::StrEq;

TEST(WrittenAheadTest, StretchesThatTouchBecomeOne) {
  WrittenAhead ahead;
  ahead.Add(30, 40);
  ahead.Add(10, 20);
  EXPECT_EQ(ahead.EndFrom(10), 20u);
  EXPECT_EQ(ahead.EndFrom(15), 20u);
  EXPECT_EQ(ahead.EndFrom(25), 25u);

  ahead.Add(20, 30);

  EXPECT_EQ(ahead.EndFrom(10), 40u);
}

TEST(WrittenAheadTest, OneMayCoverOthers) {
  WrittenAhead ahead;
  ahead.Add(10, 20);
  ahead.Add(30, 40);
  ahead.Add(5, 35);
  ahead.Add(12, 13);

  EXPECT_EQ(ahead.EndFrom(5), 40u);
}

TEST(WrittenAheadTest, WhatIsInFrontIsDropped) {
  WrittenAhead ahead;
  ahead.Add(10, 20);
  ahead.Add(30, 40);

  ahead.DropBefore(35);

  EXPECT_EQ(ahead.EndFrom(10), 10u);
  EXPECT_EQ(ahead.EndFrom(35), 40u);
  ahead.DropBefore(40);
  EXPECT_TRUE(ahead.empty());
}

TEST(WrittenAheadTest, NothingIsNothing) {
  WrittenAhead ahead;
  ahead.Add(10, 10);

  EXPECT_TRUE(ahead.empty());
}

class WriteAheadTest : public SinkTest {
 protected:
  void SetUp() override {
    ASSERT_TRUE(Await(sink_->Open(0)).ok());
    ASSERT_TRUE(sink_->CanWriteAhead());
  }
  absl::Status Write(std::string_view text) { return Await(sink_->Write(Bytes(text))); }
  absl::Status WriteAhead(std::uint64_t offset, std::string_view text) {
    return Await(sink_->WriteAhead(offset, Bytes(text)));
  }
  absl::Status Advance(std::uint64_t bytes) { return Await(sink_->Advance(bytes)); }
  std::string ReadBack(std::uint64_t offset) {
    std::string out(100, '\0');
    const auto got = Await(sink_->ReadBack(offset, std::as_writable_bytes(std::span(out))));
    EXPECT_TRUE(got.ok()) << got.status();
    out.resize(got.value_or(0));
    return out;
  }

  const JobId job_ = NewJob();
  std::unique_ptr<Sink> sink_ = Make("body", job_);
};

TEST_F(WriteAheadTest, WhatIsWrittenAheadIsPublishedOnceItIsReached) {
  ASSERT_TRUE(WriteAhead(6, "world").ok());
  ASSERT_TRUE(Write("hello ").ok());
  ASSERT_TRUE(Advance(5).ok());

  const absl::StatusOr<Receipt> receipt = Await(sink_->Commit());

  ASSERT_TRUE(receipt.ok()) << receipt.status();
  EXPECT_EQ(receipt->size_bytes, 11u);
  EXPECT_THAT(Content("body"), Optional(StrEq("hello world")));
}

TEST_F(WriteAheadTest, AFileWithAHoleIsNeverPublished) {
  ASSERT_TRUE(Write("hello").ok());
  ASSERT_TRUE(WriteAhead(6, "world").ok());

  EXPECT_TRUE(absl::IsInternal(Await(sink_->Commit()).status()));

  EXPECT_THAT(Content("body"), std::nullopt);
}

TEST_F(WriteAheadTest, NorIsOneOfWhichTheEndWasNotReached) {
  ASSERT_TRUE(Write("hello ").ok());
  ASSERT_TRUE(WriteAhead(6, "world").ok());
  ASSERT_TRUE(Advance(3).ok());

  EXPECT_TRUE(absl::IsInternal(Await(sink_->Commit()).status()));
}

TEST_F(WriteAheadTest, NothingAdvancesOverAHole) {
  ASSERT_TRUE(Write("hello").ok());
  ASSERT_TRUE(WriteAhead(6, "world").ok());

  EXPECT_TRUE(absl::IsInternal(Advance(6)));
}

TEST_F(WriteAheadTest, NothingIsWrittenAheadOverWhatIsWritten) {
  ASSERT_TRUE(Write("hello").ok());

  EXPECT_TRUE(absl::IsInternal(WriteAhead(4, "x")));
}

TEST_F(WriteAheadTest, WhatIsContiguousIsReadBackAndNoMore) {
  ASSERT_TRUE(Write("hello").ok());
  ASSERT_TRUE(WriteAhead(7, "world").ok());
  EXPECT_EQ(ReadBack(0), "hello");
  EXPECT_EQ(ReadBack(7), "");

  ASSERT_TRUE(WriteAhead(5, ", ").ok());

  EXPECT_EQ(ReadBack(5), ", world");
}

TEST_F(WriteAheadTest, WritesInOrderMayGoOverIt) {
  ASSERT_TRUE(WriteAhead(5, "XXXXX").ok());
  ASSERT_TRUE(Write("hello world").ok());

  ASSERT_TRUE(Await(sink_->Commit()).ok());

  EXPECT_THAT(Content("body"), Optional(StrEq("hello world")));
}

TEST_F(WriteAheadTest, ACheckpointIsOfWhatIsReachedAndALaterOpenDropsTheRest) {
  ASSERT_TRUE(Write("hello ").ok());
  ASSERT_TRUE(WriteAhead(6, "wor").ok());
  ASSERT_TRUE(WriteAhead(20, "far").ok());
  ASSERT_TRUE(Advance(1).ok());
  EXPECT_EQ(*Await(sink_->Checkpoint()), 7u);

  sink_ = Make("body", job_);
  ASSERT_EQ(*Await(sink_->Open(7)), 7u);
  ASSERT_TRUE(Write("orld").ok());

  ASSERT_TRUE(Await(sink_->Commit()).ok());
  EXPECT_THAT(Content("body"), Optional(StrEq("hello world")));
}

TEST_F(WriteAheadTest, ARestartForgetsIt) {
  ASSERT_TRUE(WriteAhead(6, "world").ok());
  ASSERT_TRUE(Await(sink_->Restart()).ok());
  ASSERT_TRUE(Write("new").ok());

  ASSERT_TRUE(Await(sink_->Commit()).ok());

  EXPECT_THAT(Content("body"), Optional(StrEq("new")));
}

TEST_F(WriteAheadTest, AnAbortLeavesNothing) {
  ASSERT_TRUE(WriteAhead(6, "world").ok());

  ASSERT_TRUE(Await(sink_->Abort()).ok());

  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(WriteAheadTest, WhatIsDiscardedIsWrittenInOrder) {
  const auto discard = *destinations_->MakeSink({}, {.job = job_});

  EXPECT_FALSE(discard->CanWriteAhead());
  EXPECT_TRUE(absl::IsUnimplemented(Await(discard->WriteAhead(1, Bytes("x")))));
  EXPECT_TRUE(absl::IsUnimplemented(Await(discard->Advance(1))));
}

/// Every write fails but those at the beginning.
class FullDisk final : public FileCalls {
 public:
  ssize_t Write(int fd, std::span<const std::byte> bytes, std::uint64_t offset) override {
    if (offset == 0) return FileCalls::Write(fd, bytes, offset);
    errno = ENOSPC;
    return -1;
  }
};

TEST_F(SinkTest, AFullDiskFailsAWriteAheadToo) {
  FullDisk full;
  Reopen(full);
  const auto sink = Make("body", NewJob());
  ASSERT_TRUE(Await(sink->Open(0)).ok());
  ASSERT_TRUE(Await(sink->Write(Bytes("x"))).ok());

  const absl::Status status = Await(sink->WriteAhead(6, Bytes("world")));

  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_TRUE(Await(sink->Abort()).ok());
}

}  // namespace
}  // namespace fetchd::sink
