// What every sink that keeps bodies must do, whatever it writes to.
#include "sink/tee_sink.h"
#include "unit/sink/object_fixture.h"

namespace fetchd::sink {
namespace {

enum class Kind { kFile, kObject, kBoth };

/// A destination, and the sinks that one job's attempts make for it.
class SinkConformance : public ObjectSinkTest, public ::testing::WithParamInterface<Kind> {
 protected:
  static constexpr std::size_t kSize = kPartBytes * 4 + 7;

  std::unique_ptr<Sink> Attempt(OverwritePolicy overwrite = OverwritePolicy::kAlways) {
    if (GetParam() == Kind::kFile) return Make("key", job_, overwrite);
    if (GetParam() == Kind::kObject) return MakeObject(overwrite);
    std::vector<std::unique_ptr<Sink>> both;
    both.push_back(Make("key", job_, overwrite));
    both.push_back(MakeObject(overwrite));
    return std::make_unique<TeeSink>(std::move(both));
  }
  /// What those who look there see; nullopt = nothing.
  std::optional<std::string> Seen() {
    std::optional<std::string> object;
    if (const auto found = store_.objects.find("key"); found != store_.objects.end()) {
      object = found->second.bytes;
    }
    if (GetParam() == Kind::kObject) return object;
    if (GetParam() == Kind::kBoth) EXPECT_EQ(Content("key"), object);
    return Content("key");
  }
  void PutThere(std::string_view text) {
    Put("key", text);
    store_.objects["key"].bytes = text;
  }
  /// Nothing but what can be seen.
  void ExpectNothingKept(std::size_t seen) {
    EXPECT_EQ(Files().size(), GetParam() == Kind::kObject ? 0U : seen);
    EXPECT_EQ(store_.uploads.size(), 0U);
    EXPECT_EQ(notes_.note, "");
  }
  absl::Status WriteAll(Sink& sink, std::string_view body) {
    for (; !body.empty(); body.remove_prefix(std::min(body.size(), kPiece))) {
      RETURN_IF_ERROR(Await(sink.Write(Bytes(body.substr(0, kPiece)))));
    }
    return absl::OkStatus();
  }

  const JobId job_ = NewJob();
};

TEST_P(SinkConformance, WholeOrNothing) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{kPartBytes}, kSize}) {
    const std::string body = Body(size);
    PutThere("before");
    const std::unique_ptr<Sink> sink = Attempt();
    ASSERT_EQ(*Await(sink->Open(0)), 0U);
    ASSERT_EQ(WriteAll(*sink, body), absl::OkStatus());
    EXPECT_EQ(Seen(), "before");

    const absl::StatusOr<Receipt> receipt = Await(sink->Commit());

    ASSERT_TRUE(receipt.ok()) << receipt.status();
    EXPECT_EQ(receipt->size_bytes, size);
    EXPECT_EQ(Seen(), body);
  }
}

TEST_P(SinkConformance, AbortLeavesNothing) {
  const std::unique_ptr<Sink> sink = Attempt();
  ASSERT_TRUE(Await(sink->Open(0)).ok());
  ASSERT_EQ(WriteAll(*sink, Body(kSize)), absl::OkStatus());

  EXPECT_EQ(Await(sink->Abort()), absl::OkStatus());

  EXPECT_EQ(Seen(), std::nullopt);
  ExpectNothingKept(0);
}

TEST_P(SinkConformance, AbortOfWhatWroteNothingIsNothing) {
  const std::unique_ptr<Sink> sink = Attempt();
  EXPECT_EQ(Await(sink->Abort()), absl::OkStatus());
  ExpectNothingKept(0);
}

TEST_P(SinkConformance, GoesOnBehindWhatACheckpointKept) {
  const std::string body = Body(kSize);
  std::uint64_t kept = 0;
  {
    const std::unique_ptr<Sink> sink = Attempt();
    ASSERT_TRUE(Await(sink->Open(0)).ok());
    ASSERT_EQ(WriteAll(*sink, body.substr(0, kPartBytes * 3 + 1)), absl::OkStatus());
    kept = *Await(sink->Checkpoint());
    EXPECT_GE(kept, kPartBytes);
    // What follows is lost with the process.
    ASSERT_EQ(WriteAll(*sink, "lost"), absl::OkStatus());
  }
  const std::unique_ptr<Sink> sink = Attempt();

  ASSERT_EQ(*Await(sink->Open(kept)), kept);
  ASSERT_EQ(WriteAll(*sink, std::string_view(body).substr(kept)), absl::OkStatus());

  ASSERT_TRUE(Await(sink->Commit()).ok());
  EXPECT_EQ(Seen(), body);
}

TEST_P(SinkConformance, ACheckpointEndsWithAllThatWasWrittenOrAtAMark) {
  const std::string body = Body(kSize);
  const std::unique_ptr<Sink> sink = Attempt();
  ASSERT_TRUE(Await(sink->Open(0)).ok());
  std::vector<std::uint64_t> marks = {0};
  for (std::uint64_t mark = sink->NextMark(0); mark != 0 && mark <= kSize;) {
    marks.push_back(mark);
    mark = sink->NextMark(mark);
  }
  std::uint64_t written = 0;
  for (std::size_t at = 0; at < body.size(); at += kPiece) {
    const std::string_view piece = std::string_view(body).substr(at, kPiece);
    ASSERT_EQ(WriteAll(*sink, piece), absl::OkStatus());
    written += piece.size();
    const std::uint64_t kept = *Await(sink->Checkpoint());
    EXPECT_TRUE(kept == written || std::ranges::find(marks, kept) != marks.end()) << kept;
  }
  EXPECT_EQ(Await(sink->Abort()), absl::OkStatus());
}

TEST_P(SinkConformance, RestartForgetsWhatWasKept) {
  const std::string body = Body(kSize);
  const std::unique_ptr<Sink> sink = Attempt();
  ASSERT_TRUE(Await(sink->Open(0)).ok());
  ASSERT_EQ(WriteAll(*sink, Body(kSize - 1)), absl::OkStatus());

  ASSERT_EQ(Await(sink->Restart()), absl::OkStatus());
  ASSERT_EQ(WriteAll(*sink, body), absl::OkStatus());

  ASSERT_TRUE(Await(sink->Commit()).ok());
  EXPECT_EQ(Seen(), body);
}

TEST_P(SinkConformance, NeverLeavesWhatIsThere) {
  PutThere("theirs");
  const std::unique_ptr<Sink> sink = Attempt(OverwritePolicy::kNever);

  EXPECT_TRUE(absl::IsAlreadyExists(Await(sink->Open(0)).status()));
  EXPECT_EQ(Await(sink->Abort()), absl::OkStatus());
  EXPECT_EQ(Seen(), "theirs");
}

TEST_P(SinkConformance, IfDifferentLeavesTheSameAlone) {
  const std::string body = Body(kSize);
  for (const bool unchanged : {false, true}) {
    const std::unique_ptr<Sink> sink = Attempt(OverwritePolicy::kIfDifferent);
    ASSERT_TRUE(Await(sink->Open(0)).ok());
    sink->Describe({kSize, ""});
    ASSERT_EQ(WriteAll(*sink, body), absl::OkStatus());

    const absl::StatusOr<Receipt> receipt = Await(sink->Commit());

    ASSERT_TRUE(receipt.ok()) << receipt.status();
    EXPECT_EQ(receipt->unchanged, unchanged);
    EXPECT_EQ(Seen(), body);
    if (unchanged) ExpectNothingKept(1);
  }
}

TEST_P(SinkConformance, WhatIsWrittenAheadIsPublishedOnceItIsReached) {
  const std::string body = Body(kSize);
  const std::unique_ptr<Sink> sink = Attempt();
  ASSERT_TRUE(Await(sink->Open(0)).ok());
  sink->Describe({kSize, ""});
  ASSERT_TRUE(sink->CanWriteAhead());
  const std::string_view ahead = std::string_view(body).substr(kPartBytes, kPartBytes);
  ASSERT_TRUE(sink->TryMakeRoom(2 * kPartBytes));
  ASSERT_EQ(Await(sink->WriteAhead(kPartBytes, Bytes(ahead))), absl::OkStatus());
  ASSERT_EQ(WriteAll(*sink, std::string_view(body).substr(0, kPartBytes)), absl::OkStatus());
  EXPECT_LE(*Await(sink->Checkpoint()), kPartBytes);

  ASSERT_EQ(Await(sink->Advance(kPartBytes)), absl::OkStatus());
  ASSERT_EQ(WriteAll(*sink, std::string_view(body).substr(2 * kPartBytes)), absl::OkStatus());

  const absl::StatusOr<Receipt> receipt = Await(sink->Commit());
  ASSERT_TRUE(receipt.ok()) << receipt.status();
  EXPECT_EQ(receipt->size_bytes, kSize);
  EXPECT_EQ(Seen(), body);
}

// In memory or where it was written.
TEST_P(SinkConformance, WhatIsWrittenAheadCanBeHashed) {
  const std::string body = Body(kSize);
  const std::string_view ahead = std::string_view(body).substr(kPartBytes, kPartBytes);
  const std::unique_ptr<Sink> sink = Attempt();
  ASSERT_TRUE(Await(sink->Open(0)).ok());
  sink->Describe({kSize, ""});
  ASSERT_EQ(Await(sink->WriteAhead(kPartBytes, Bytes(ahead))), absl::OkStatus());
  ASSERT_EQ(WriteAll(*sink, std::string_view(body).substr(0, kPartBytes)), absl::OkStatus());

  std::string seen(kPartBytes, '\0');
  const std::span<const std::byte> held = sink->Held(kPartBytes);
  if (held.empty()) {
    const auto got = Await(sink->ReadBack(kPartBytes, std::as_writable_bytes(std::span(seen))));
    ASSERT_EQ(*got, kPartBytes);
  } else {
    seen.assign(reinterpret_cast<const char*>(held.data()), held.size());
  }
  EXPECT_EQ(seen, ahead.substr(0, seen.size()));
  EXPECT_EQ(Await(sink->Abort()), absl::OkStatus());
}

TEST_P(SinkConformance, AHoleIsNeverPublished) {
  const std::unique_ptr<Sink> sink = Attempt();
  ASSERT_TRUE(Await(sink->Open(0)).ok());
  sink->Describe({kSize, ""});
  ASSERT_EQ(WriteAll(*sink, "front"), absl::OkStatus());
  ASSERT_EQ(Await(sink->WriteAhead(kPartBytes, Bytes(Body(kPartBytes)))), absl::OkStatus());

  EXPECT_FALSE(Await(sink->Commit()).ok());
  EXPECT_EQ(Await(sink->Abort()), absl::OkStatus());
  EXPECT_EQ(Seen(), std::nullopt);
  ExpectNothingKept(0);
}

std::string NameOf(const ::testing::TestParamInfo<Kind>& each) {
  constexpr std::array kNames = {"File", "Object", "FileAndObject"};
  return kNames.at(static_cast<std::size_t>(each.param));
}

INSTANTIATE_TEST_SUITE_P(Sinks, SinkConformance,
                         ::testing::Values(Kind::kFile, Kind::kObject, Kind::kBoth), NameOf);

}  // namespace
}  // namespace fetchd::sink
