// Objects whose parts come in another order than that of the body.
#include <algorithm>
#include <array>

#include "unit/sink/object_fixture.h"

namespace fetchd::sink {
namespace {

using ::testing::IsEmpty;

class ObjectAheadTest : public ObjectSinkTest {
 protected:
  static constexpr std::uint64_t kSize = kPartBytes * 4 + 10;

  /// Open, and described.
  std::unique_ptr<ObjectSink> Begin() {
    std::unique_ptr<ObjectSink> sink = MakeObject();
    EXPECT_TRUE(Await(sink->Open(0)).ok());
    sink->Describe({kSize, ""});
    return sink;
  }
  std::string_view Part(int number) const {
    return std::string_view(body_).substr((static_cast<std::size_t>(number) - 1) * kPartBytes,
                                          kPartBytes);
  }
  absl::Status WriteAhead(ObjectSink& sink, int number) {
    const std::uint64_t offset = (static_cast<std::uint64_t>(number) - 1) * kPartBytes;
    return Await(sink.WriteAhead(offset, Bytes(Part(number))));
  }
  /// Passes what was written ahead from `at` on; returns what it was.
  absl::StatusOr<std::string> Pass(ObjectSink& sink, std::uint64_t at) {
    std::string passed;
    for (auto held = sink.Held(at); !held.empty(); held = sink.Held(at + passed.size())) {
      const std::string text(reinterpret_cast<const char*>(held.data()), held.size());
      RETURN_IF_ERROR(Await(sink.Advance(held.size())));
      passed += text;
    }
    return passed;
  }
  absl::Status WriteAndPass(ObjectSink& sink, std::span<const int> order) {
    std::uint64_t front = 0;
    for (const int number : order) {
      const bool in_order = front == (static_cast<std::uint64_t>(number) - 1) * kPartBytes;
      if (!in_order) {
        RETURN_IF_ERROR(WriteAhead(sink, number));
        continue;
      }
      RETURN_IF_ERROR(Await(sink.Write(Bytes(Part(number)))));
      front += Part(number).size();
      ASSIGN_OR_RETURN(const std::string passed, Pass(sink, front));
      front += passed.size();
    }
    return Await(sink.Commit()).status();
  }

  const std::string body_ = Body(kSize);
};

TEST_F(ObjectAheadTest, PartsInAnyOrderMakeTheObject) {
  std::array<int, 5> order = {1, 2, 3, 4, 5};
  do {
    store_.objects.clear();
    const std::unique_ptr<ObjectSink> sink = Begin();

    ASSERT_EQ(WriteAndPass(*sink, order), absl::OkStatus());

    ASSERT_EQ(Stored(), body_) << ::testing::PrintToString(order);
    ASSERT_THAT(store_.uploads, IsEmpty());
    ASSERT_EQ(buffers_.budget().in_use(), 0U);
  } while (std::ranges::next_permutation(order).found);
}

TEST_F(ObjectAheadTest, APartGoesOutAsSoonAsItIsWholeAndStaysUntilItIsPassed) {
  const std::unique_ptr<ObjectSink> sink = Begin();

  ASSERT_EQ(WriteAhead(*sink, 2), absl::OkStatus());

  EXPECT_EQ(store_.uploads.begin()->second.parts.size(), 1U);
  EXPECT_EQ(store_.uploads.begin()->second.parts[2], Part(2));
  // That of the first part is taken with it.
  EXPECT_EQ(buffers_.budget().in_use(), 2 * kPartBytes);
  ASSERT_EQ(Await(sink->Write(Bytes(Part(1)))), absl::OkStatus());
  EXPECT_EQ(*Pass(*sink, kPartBytes), Part(2));
  EXPECT_EQ(buffers_.budget().in_use(), 0U);
  EXPECT_THAT(sink->Held(2 * kPartBytes), IsEmpty());
}

TEST_F(ObjectAheadTest, HalfAPartThatIsPassedGoesOnInOrder) {
  const std::unique_ptr<ObjectSink> sink = Begin();
  const std::string_view half = Part(2).substr(0, kPartBytes / 2);
  ASSERT_EQ(Await(sink->WriteAhead(kPartBytes, Bytes(half))), absl::OkStatus());
  ASSERT_EQ(Await(sink->Write(Bytes(Part(1)))), absl::OkStatus());
  ASSERT_EQ(*Pass(*sink, kPartBytes), half);

  ASSERT_EQ(Await(sink->Write(Bytes(std::string_view(body_).substr(kPartBytes + half.size())))),
            absl::OkStatus());

  EXPECT_TRUE(Await(sink->Commit()).ok());
  EXPECT_EQ(Stored(), body_);
}

TEST_F(ObjectAheadTest, ForWhatIsAheadNobodyWaits) {
  BufferPool small(8 * kPartBytes);
  ObjectSink sink({store_, small, clock_, tasks_, notes_}, {.url = "s3://bucket/key",
                                                            .object = {"bucket", "key"},
                                                            .part_bytes = kPartBytes,
                                                            .parts_in_flight = 2});
  ASSERT_TRUE(Await(sink.Open(0)).ok());
  sink.Describe({kSize, ""});
  PartBuffer theirs = *Await(small.AcquirePart(2 * kPartBytes, clock_, Deadline::Never()));

  EXPECT_FALSE(sink.TryMakeRoom(3 * kPartBytes));
  EXPECT_EQ(small.budget().in_use(), 2 * kPartBytes) << "all of it or none";
  EXPECT_TRUE(absl::IsUnavailable(Await(sink.WriteAhead(2 * kPartBytes, Bytes(Part(3))))));
  EXPECT_TRUE(sink.TryMakeRoom(2 * kPartBytes));
  EXPECT_TRUE(sink.TryMakeRoom(2 * kPartBytes)) << "once is enough";
  EXPECT_EQ(small.budget().in_use(), 4 * kPartBytes);
  theirs = PartBuffer();
  EXPECT_TRUE(sink.TryMakeRoom(3 * kPartBytes));
  EXPECT_EQ(Await(sink.Abort()), absl::OkStatus());
  EXPECT_EQ(small.budget().in_use(), 0U);
}

TEST_F(ObjectAheadTest, OfUnknownLengthOrOnePartItIsWrittenInOrder) {
  const std::unique_ptr<ObjectSink> sink = MakeObject();
  ASSERT_TRUE(Await(sink->Open(0)).ok());
  EXPECT_FALSE(sink->CanWriteAhead());
  sink->Describe({kPartBytes, ""});
  EXPECT_FALSE(sink->CanWriteAhead());
  sink->Describe({kPartBytes + 1, ""});
  EXPECT_TRUE(sink->CanWriteAhead());
}

TEST_F(ObjectAheadTest, ACheckpointIsOfWhatWasPassedAndTheRestIsSentAgain) {
  std::uint64_t kept = 0;
  {
    const std::unique_ptr<ObjectSink> sink = Begin();
    ASSERT_EQ(WriteAhead(*sink, 2), absl::OkStatus());
    ASSERT_EQ(WriteAhead(*sink, 4), absl::OkStatus());
    EXPECT_EQ(*Await(sink->Checkpoint()), 0U);
    ASSERT_EQ(Await(sink->Write(Bytes(Part(1)))), absl::OkStatus());
    EXPECT_EQ(*Await(sink->Checkpoint()), 0U) << "the first is not on its way";
    ASSERT_TRUE(Pass(*sink, kPartBytes).ok());
    loop_.restart();
    loop_.run();
    kept = *Await(sink->Checkpoint());
  }
  EXPECT_EQ(kept, 2 * kPartBytes);
  store_.requests.clear();

  EXPECT_EQ(Transfer(body_, kept), absl::OkStatus());

  EXPECT_EQ(Stored(), body_);
  EXPECT_EQ(Requests("PutPart"), 3U);
  EXPECT_EQ(Requests("BeginUpload"), 0U);
}

TEST_F(ObjectAheadTest, WhatIsWrittenOverIsSentAgain) {
  const std::unique_ptr<ObjectSink> sink = Begin();
  const std::string other = Body(kPartBytes + 1).substr(0, kPartBytes);
  ASSERT_EQ(Await(sink->WriteAhead(2 * kPartBytes, Bytes(other))), absl::OkStatus());
  ASSERT_EQ(Await(sink->WriteAhead(kPartBytes, Bytes(other.substr(0, 100)))), absl::OkStatus());

  ASSERT_EQ(Await(sink->Write(Bytes(body_))), absl::OkStatus());

  EXPECT_TRUE(Await(sink->Commit()).ok());
  EXPECT_EQ(Stored(), body_);
}

TEST_F(ObjectAheadTest, AfterARestartNothingIsAhead) {
  const std::unique_ptr<ObjectSink> sink = Begin();
  ASSERT_EQ(WriteAhead(*sink, 3), absl::OkStatus());

  ASSERT_EQ(Await(sink->Restart()), absl::OkStatus());

  EXPECT_EQ(buffers_.budget().in_use(), 0U);
  ASSERT_EQ(Await(sink->Write(Bytes(body_))), absl::OkStatus());
  EXPECT_TRUE(Await(sink->Commit()).ok());
  EXPECT_EQ(Stored(), body_);
  EXPECT_THAT(store_.uploads, IsEmpty());
}

TEST_F(ObjectAheadTest, WhatGoesWrongInBetweenIsSaid) {
  const std::unique_ptr<ObjectSink> sink = Begin();
  ASSERT_EQ(Await(sink->Write(Bytes("0123456789"))), absl::OkStatus());

  EXPECT_TRUE(absl::IsInternal(Await(sink->WriteAhead(5, Bytes("x")))));
  EXPECT_TRUE(absl::IsInternal(Await(sink->WriteAhead(kPartBytes + 5, Bytes("x")))));
  ASSERT_EQ(Await(sink->WriteAhead(kPartBytes, Bytes("x"))), absl::OkStatus());
  EXPECT_TRUE(absl::IsInternal(Await(sink->Advance(kPartBytes))));
}

TEST_F(ObjectAheadTest, ABodyThatIsLongerThanAnnouncedIsNoObject) {
  const std::unique_ptr<ObjectSink> sink = Begin();
  ASSERT_EQ(Await(sink->Write(Bytes(body_))), absl::OkStatus());

  EXPECT_TRUE(absl::IsDataLoss(Await(sink->Write(Bytes("x")))));
}

TEST_F(ObjectAheadTest, AFailureAtAnyRequestLeavesNothing) {
  constexpr std::array kOrder = {3, 2, 1, 5, 4};
  bool reached_end = false;
  for (int fails_at = 0; !reached_end; ++fails_at) {
    store_.objects.clear();
    notes_.note.clear();
    int request = 0;
    store_.before = [&](const std::string&) {
      return request++ == fails_at ? absl::UnavailableError("503") : absl::OkStatus();
    };
    const std::unique_ptr<ObjectSink> sink = Begin();

    const absl::Status status = WriteAndPass(*sink, kOrder);

    store_.before = nullptr;
    if (!status.ok()) EXPECT_EQ(Await(sink->Abort()), absl::OkStatus()) << fails_at;
    reached_end = status.ok() && request <= fails_at;
    EXPECT_EQ(status.ok(), reached_end) << fails_at;
    EXPECT_EQ(store_.objects.size(), status.ok() ? 1U : 0U) << fails_at;
    EXPECT_THAT(store_.uploads, IsEmpty()) << fails_at;
    EXPECT_EQ(buffers_.budget().in_use(), 0U) << fails_at;
  }
}

}  // namespace
}  // namespace fetchd::sink
