#include "unit/sink/object_fixture.h"

namespace fetchd::sink {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_F(ObjectSinkTest, ABodyThatFitsOnePartIsOneRequest) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{kPartBytes}}) {
    for (const bool known : {true, false}) {
      store_.requests.clear();
      const std::string body = Body(size);

      EXPECT_EQ(Transfer(body, 0, OverwritePolicy::kAlways, known), absl::OkStatus()) << size;

      EXPECT_EQ(Stored(), body) << size;
      EXPECT_THAT(store_.requests, ElementsAre("Put")) << size;
      EXPECT_EQ(notes_.note, "");
    }
  }
}

TEST_F(ObjectSinkTest, ALargerBodyIsPutTogetherOfParts) {
  for (const bool known : {true, false}) {
    const std::string body = Body(kPartBytes * 5 + 1);

    EXPECT_EQ(Transfer(body, 0, OverwritePolicy::kAlways, known), absl::OkStatus());

    EXPECT_EQ(Stored(), body);
    EXPECT_THAT(store_.uploads, IsEmpty());
  }
  EXPECT_EQ(Requests("PutPart"), 12U);
  EXPECT_EQ(store_.most_parts_at_once, 2U);
}

TEST_F(ObjectSinkTest, NothingAppearsBeforeCommit) {
  const std::string body = Body(kPartBytes * 3);
  const std::unique_ptr<ObjectSink> sink = MakeObject();
  ASSERT_TRUE(Await(sink->Open(0)).ok());

  ASSERT_EQ(Await(sink->Write(Bytes(body))), absl::OkStatus());
  EXPECT_THAT(store_.objects, IsEmpty());

  EXPECT_TRUE(Await(sink->Commit()).ok());
  EXPECT_EQ(Stored(), body);
}

TEST_F(ObjectSinkTest, TheOriginSaysWhatTypeItIsUnlessTheStoreDoes) {
  const std::unique_ptr<ObjectSink> sink = MakeObject();
  ASSERT_TRUE(Await(sink->Open(0)).ok());
  sink->Describe({3, "text/plain"});
  ASSERT_EQ(Await(sink->Write(Bytes("abc"))), absl::OkStatus());
  ASSERT_TRUE(Await(sink->Commit()).ok());

  EXPECT_EQ(store_.objects["key"].attributes.content_type, "text/plain");
}

TEST_F(ObjectSinkTest, ATypeThatNoStoreTakesIsLeftOut) {
  for (const std::string& type :
       {std::string("text/html;\tcharset=utf-8"), std::string("caf\xe9"), std::string(256, 'a')}) {
    const std::unique_ptr<ObjectSink> sink = MakeObject();
    ASSERT_TRUE(Await(sink->Open(0)).ok());
    sink->Describe({0, type});
    ASSERT_TRUE(Await(sink->Commit()).ok());
    EXPECT_EQ(store_.objects["key"].attributes.content_type, "") << type;
  }
}

TEST_F(ObjectSinkTest, AbortLeavesNothing) {
  const std::unique_ptr<ObjectSink> sink = MakeObject();
  ASSERT_TRUE(Await(sink->Open(0)).ok());
  ASSERT_EQ(Await(sink->Write(Bytes(Body(kPartBytes * 3)))), absl::OkStatus());
  ASSERT_EQ(store_.uploads.size(), 1U);

  EXPECT_EQ(Await(sink->Abort()), absl::OkStatus());

  EXPECT_THAT(store_.uploads, IsEmpty());
  EXPECT_THAT(store_.objects, IsEmpty());
  EXPECT_EQ(notes_.note, "");
  EXPECT_EQ(buffers_.budget().in_use(), 0U);
}

TEST_F(ObjectSinkTest, AWriterWaitsForPartsThatAreOnTheirWay) {
  bool wait = true;
  store_.parts_wait = [&wait] { return wait; };
  const std::string body = Body(kPartBytes * 6);
  std::optional<absl::Status> written;
  const std::unique_ptr<ObjectSink> sink = MakeObject();
  ASSERT_TRUE(Await(sink->Open(0)).ok());
  tasks_.Spawn("write", Keep(sink->Write(Bytes(body)), &written));
  loop_.restart();
  for (int i = 0; i < 1000; ++i) loop_.poll_one();

  EXPECT_FALSE(written.has_value());
  EXPECT_EQ(store_.parts_at_once, 2U);
  // Two on their way and one that is full.
  EXPECT_EQ(buffers_.budget().in_use(), 3 * kPartBytes);

  wait = false;
  loop_.restart();
  loop_.run();
  EXPECT_EQ(written, absl::OkStatus());
  EXPECT_TRUE(Await(sink->Commit()).ok());
  EXPECT_EQ(Stored(), body);
}

// Resuming.

class ObjectResumeTest : public ObjectSinkTest {
 protected:
  /// An attempt that writes `bytes` of the body and ends without a word, as a killed process does.
  std::uint64_t WriteAndVanish(std::string_view body, std::size_t bytes) {
    const std::unique_ptr<ObjectSink> sink = MakeObject();
    EXPECT_TRUE(Await(sink->Open(0)).ok());
    sink->Describe({body.size(), ""});
    EXPECT_EQ(Await(sink->Write(Bytes(body.substr(0, bytes)))), absl::OkStatus());
    return *Await(sink->Checkpoint());
  }
};

TEST_F(ObjectResumeTest, WholePartsThatArrivedAreNotSentAgain) {
  const std::string body = Body(kPartBytes * 5 + 10);
  const std::uint64_t kept = WriteAndVanish(body, kPartBytes * 3 + 5000);
  EXPECT_EQ(kept, kPartBytes * 3);
  store_.requests.clear();

  EXPECT_EQ(Transfer(body, kept), absl::OkStatus());

  EXPECT_EQ(Stored(), body);
  EXPECT_EQ(Requests("PutPart"), 3U);
  EXPECT_EQ(Requests("BeginUpload"), 0U);
  EXPECT_THAT(store_.uploads, IsEmpty());
}

TEST_F(ObjectResumeTest, MarksAreTheEndsOfParts) {
  const std::unique_ptr<ObjectSink> sink = MakeObject();
  EXPECT_EQ(sink->NextMark(0), kPartBytes);
  EXPECT_EQ(sink->NextMark(kPartBytes - 1), kPartBytes);
  EXPECT_EQ(sink->NextMark(kPartBytes), 2 * kPartBytes);
}

TEST_F(ObjectResumeTest, AnUploadThatTheStoreHasForgottenIsBegunAnew) {
  const std::string body = Body(kPartBytes * 4);
  const std::uint64_t kept = WriteAndVanish(body, kPartBytes * 3);
  store_.uploads.clear();

  EXPECT_EQ(Transfer(body, kept), absl::OkStatus());

  EXPECT_EQ(Stored(), body);
}

TEST_F(ObjectResumeTest, APartThatTheStoreHasLostIsNotGoneOnFrom) {
  const std::string body = Body(kPartBytes * 4);
  const std::uint64_t kept = WriteAndVanish(body, body.size());
  store_.uploads.begin()->second.parts.erase(2);

  EXPECT_EQ(Transfer(body, kept), absl::OkStatus());

  EXPECT_EQ(Stored(), body);
  EXPECT_THAT(store_.uploads, IsEmpty());
}

TEST_F(ObjectResumeTest, AnotherBodyBeginsAnotherUpload) {
  const std::string first = Body(kPartBytes * 4);
  const std::string second = Body(kPartBytes * 4 + 1);
  WriteAndVanish(first, first.size());

  EXPECT_EQ(Transfer(second, 0), absl::OkStatus());

  EXPECT_EQ(Stored(), second);
  EXPECT_THAT(store_.uploads, IsEmpty());
}

TEST_F(ObjectResumeTest, AnUploadWhoseIdWasNeverNotedIsFoundAndEndedAndNoOther) {
  const std::string body = Body(kPartBytes * 2);
  const WallTime now = clock_.WallNow();
  store_.uploads["of another key"] = {{"bucket", "key2"}, {}, {}, now};
  store_.uploads["long before"] = {{"bucket", "key"}, {}, {}, now - std::chrono::hours(1)};
  store_.uploads["long after"] = {{"bucket", "key"}, {}, {}, now + std::chrono::hours(1)};
  store_.uploads["of another job"] = {{"bucket", "key"}, {}, {}, now};
  notes_.others = {
      UploadNote{.stage = UploadNote::Stage::kOpen, .id = "of another job"}.ToString()};
  bool dead = false;
  store_.after = [&dead](const std::string& name) {
    dead = dead || name == "BeginUpload";
    return dead ? absl::UnavailableError("the answer is lost") : absl::OkStatus();
  };
  {
    const std::unique_ptr<ObjectSink> sink = MakeObject();
    ASSERT_FALSE(Await(Deliver(*sink, body, 0, true)).ok());
  }
  store_.after = nullptr;
  ASSERT_EQ(store_.uploads.size(), 5U);

  EXPECT_EQ(Transfer(body), absl::OkStatus());

  EXPECT_EQ(Stored(), body);
  EXPECT_EQ(store_.uploads.size(), 4U);
  EXPECT_FALSE(store_.uploads.contains("upload-1"));
}

TEST_F(ObjectResumeTest, WhoMayNotListUploadsGoesOnWithoutIt) {
  notes_.note = UploadNote{.stage = UploadNote::Stage::kBeginning}.ToString();
  store_.before = [](const std::string& name) {
    return name == "ListUploads" ? absl::PermissionDeniedError("AccessDenied") : absl::OkStatus();
  };

  EXPECT_EQ(Transfer(Body(kPartBytes * 2)), absl::OkStatus());
}

TEST_F(ObjectResumeTest, AnUploadThatVanishesBeforeItIsCompletedMayBeTriedAgain) {
  const std::unique_ptr<ObjectSink> sink = MakeObject();
  ASSERT_TRUE(Await(sink->Open(0)).ok());
  ASSERT_EQ(Await(sink->Write(Bytes(Body(kPartBytes * 3)))), absl::OkStatus());
  store_.before = [this](const std::string& name) {
    if (name == "CompleteUpload") store_.uploads.clear();
    return absl::OkStatus();
  };

  EXPECT_TRUE(absl::IsUnavailable(Await(sink->Commit()).status()));
}

// Overwriting.

TEST_F(ObjectSinkTest, NeverRefusesWhatIsThereBeforeAByteIsWritten) {
  store_.objects["key"].bytes = "theirs";
  const std::unique_ptr<ObjectSink> sink = MakeObject(OverwritePolicy::kNever);

  EXPECT_TRUE(absl::IsAlreadyExists(Await(sink->Open(0)).status()));
  EXPECT_EQ(Stored(), "theirs");
}

TEST_F(ObjectSinkTest, NeverRefusesWhatAppearsMeanwhile) {
  for (const std::size_t size : {std::size_t{10}, std::size_t{kPartBytes * 2}}) {
    for (const bool conditional : {true, false}) {
      store_.objects.clear();
      store_.features_are = {conditional, conditional};
      const std::unique_ptr<ObjectSink> sink = MakeObject(OverwritePolicy::kNever);
      ASSERT_TRUE(Await(sink->Open(0)).ok());
      ASSERT_EQ(Await(sink->Write(Bytes(Body(size)))), absl::OkStatus());
      store_.objects["key"].bytes = "theirs";

      EXPECT_TRUE(absl::IsAlreadyExists(Await(sink->Commit()).status())) << size << conditional;
      EXPECT_EQ(Await(sink->Abort()), absl::OkStatus());
      EXPECT_EQ(Stored(), "theirs");
      EXPECT_THAT(store_.uploads, IsEmpty());
    }
  }
}

// A request that a connection lost was sent again, and met what it had made.
TEST_F(ObjectSinkTest, NeverMeetsItsOwnObject) {
  for (const std::size_t size : {std::size_t{10}, std::size_t{kPartBytes * 2}}) {
    store_.objects.clear();
    notes_.note.clear();
    const std::string body = Body(size);
    store_.after = [](const std::string& name) {
      const bool makes = name == "Put" || name == "CompleteUpload";
      return makes ? absl::AlreadyExistsError("PreconditionFailed") : absl::OkStatus();
    };

    EXPECT_EQ(Transfer(body, 0, OverwritePolicy::kNever), absl::OkStatus());
    EXPECT_EQ(Stored(), body);
    store_.after = nullptr;
  }
}

// The process died between the store's answer and the job's record; and the next ones on the way.
TEST_F(ObjectSinkTest, NeverKnowsItsOwnObjectAfterAnyNumberOfAttempts) {
  for (const std::size_t size : {std::size_t{10}, std::size_t{kPartBytes * 3}}) {
    store_.objects.clear();
    notes_.note.clear();
    const std::string first = Body(size);
    const std::string second = Body(size + 1);
    ASSERT_EQ(Transfer(first, 0, OverwritePolicy::kNever), absl::OkStatus());
    {
      const std::unique_ptr<ObjectSink> sink = MakeObject(OverwritePolicy::kNever);
      ASSERT_TRUE(Await(sink->Open(0)).ok());
      ASSERT_EQ(Await(sink->Write(Bytes(second))), absl::OkStatus());
    }
    ASSERT_EQ(Transfer(second, 0, OverwritePolicy::kNever), absl::OkStatus());

    EXPECT_EQ(Transfer(second, 0, OverwritePolicy::kNever), absl::OkStatus());
    EXPECT_EQ(Stored(), second);
  }
}

// Killed before the upload was completed: what another made meanwhile is not ours.
TEST_F(ObjectSinkTest, NeverIsNotMisledByItsOwnPlans) {
  const std::string body = Body(kPartBytes * 2);
  store_.before = [](const std::string& name) {
    return name == "CompleteUpload" ? absl::UnavailableError("dead") : absl::OkStatus();
  };
  {
    const std::unique_ptr<ObjectSink> sink = MakeObject(OverwritePolicy::kNever);
    ASSERT_FALSE(Await(Deliver(*sink, body, 0, true)).ok());
  }
  store_.before = nullptr;
  store_.uploads.clear();
  store_.objects["key"] = {.bytes = "theirs", .etag = "\"x\"", .attributes = {}};

  EXPECT_TRUE(absl::IsAlreadyExists(Transfer(body, 0, OverwritePolicy::kNever)));
  EXPECT_EQ(Stored(), "theirs");
}

TEST_F(ObjectSinkTest, NeverTakesItsObjectForItsOwn) {
  for (const std::size_t size : {std::size_t{10}, std::size_t{kPartBytes * 2}}) {
    store_.objects.clear();
    notes_.note.clear();
    const std::string body = Body(size);
    ASSERT_EQ(Transfer(body, 0, OverwritePolicy::kNever), absl::OkStatus());
    ASSERT_NE(notes_.note, "");

    EXPECT_EQ(Transfer(body, 0, OverwritePolicy::kNever), absl::OkStatus());
    EXPECT_EQ(Stored(), body);
  }
}

TEST_F(ObjectSinkTest, AnObjectIsKnownByAnMd5BesideItsEtag) {
  store_.etags_are_md5 = false;
  const std::string body = Body(10);
  ASSERT_EQ(Transfer(body, 0, OverwritePolicy::kNever), absl::OkStatus());

  EXPECT_EQ(Transfer(body, 0, OverwritePolicy::kNever), absl::OkStatus());
  store_.requests.clear();
  EXPECT_EQ(Transfer(body, 0, OverwritePolicy::kIfDifferent), absl::OkStatus());
  EXPECT_EQ(Requests("Put"), 0U);
  EXPECT_EQ(Transfer("other", 0, OverwritePolicy::kIfDifferent), absl::OkStatus());
  EXPECT_EQ(Stored(), "other");
}

// Where ETags say nothing of the content.
TEST_F(ObjectSinkTest, AnObjectInPartsIsKnownByItsUpload) {
  store_.etags_are_md5 = false;
  store_.features_are.tells_completed = true;
  const std::string body = Body(kPartBytes * 2);
  ASSERT_EQ(Transfer(body, 0, OverwritePolicy::kNever), absl::OkStatus());

  EXPECT_EQ(Transfer(body, 0, OverwritePolicy::kNever), absl::OkStatus());

  store_.before = [](const std::string& name) {
    return name == "CompleteUpload" ? absl::UnavailableError("dead") : absl::OkStatus();
  };
  store_.objects.clear();
  notes_.note.clear();
  {
    const std::unique_ptr<ObjectSink> sink = MakeObject(OverwritePolicy::kNever);
    ASSERT_FALSE(Await(Deliver(*sink, body, 0, true)).ok());
  }
  store_.before = nullptr;
  store_.objects["key"] = {.bytes = "theirs", .etag = "\"x\"", .attributes = {}};
  EXPECT_TRUE(absl::IsAlreadyExists(Transfer(body, 0, OverwritePolicy::kNever)));
  EXPECT_EQ(Stored(), "theirs");
}

TEST_F(ObjectSinkTest, IfDifferentLeavesTheSameAlone) {
  for (const std::size_t size : {std::size_t{10}, std::size_t{kPartBytes * 2 + 1}}) {
    const std::string body = Body(size);
    ASSERT_EQ(Transfer(body), absl::OkStatus());
    store_.requests.clear();
    const std::unique_ptr<ObjectSink> sink = MakeObject(OverwritePolicy::kIfDifferent);
    ASSERT_TRUE(Await(sink->Open(0)).ok());
    sink->Describe({size, ""});
    ASSERT_EQ(Await(sink->Write(Bytes(body))), absl::OkStatus());

    const absl::StatusOr<Receipt> receipt = Await(sink->Commit());

    ASSERT_TRUE(receipt.ok()) << receipt.status();
    EXPECT_TRUE(receipt->unchanged);
    EXPECT_EQ(Requests("Put") + Requests("CompleteUpload"), 0U);
    EXPECT_THAT(store_.uploads, IsEmpty());

    EXPECT_EQ(Transfer("other", 0, OverwritePolicy::kIfDifferent), absl::OkStatus());
    EXPECT_EQ(Stored(), "other");
  }
}

// Failures, at each request and each note.

TEST_F(ObjectSinkTest, AFailureAtAnyRequestLeavesNothingAndTheNextAttemptIsWhole) {
  const std::string body = Body(kPartBytes * 4 + 3);
  for (const OverwritePolicy overwrite :
       {OverwritePolicy::kAlways, OverwritePolicy::kNever, OverwritePolicy::kIfDifferent}) {
    bool reached_end = false;
    for (int fails_at = 0; !reached_end; ++fails_at) {
      store_.objects.clear();
      notes_.note.clear();
      int request = 0;
      store_.before = [&](const std::string&) {
        return request++ == fails_at ? absl::UnavailableError("503") : absl::OkStatus();
      };

      const absl::Status status = Transfer(body, 0, overwrite);
      store_.before = nullptr;
      reached_end = status.ok() && request <= fails_at;
      EXPECT_EQ(status.ok(), reached_end) << fails_at;
      EXPECT_EQ(store_.objects.size(), status.ok() ? 1U : 0U) << fails_at;
      EXPECT_EQ(buffers_.budget().in_use(), 0U) << fails_at;
      if (status.ok()) continue;

      EXPECT_EQ(Transfer(body, 0, overwrite), absl::OkStatus()) << fails_at;
      EXPECT_EQ(Stored(), body) << fails_at;
      EXPECT_THAT(store_.uploads, IsEmpty()) << fails_at;
    }
  }
}

TEST_F(ObjectSinkTest, AProcessThatDiesAtAnyRequestLeavesNothingThatIsNotFound) {
  const std::string body = Body(kPartBytes * 4 + 3);
  bool reached_end = false;
  for (int dies_at = 0; !reached_end; ++dies_at) {
    for (const bool done : {false, true}) {
      store_.objects.clear();
      notes_.note.clear();
      int request = 0;
      auto dies = [&](const std::string&) {
        return request++ >= dies_at ? absl::UnavailableError("dead") : absl::OkStatus();
      };
      (done ? store_.after : store_.before) = dies;
      notes_.before = [&] {
        return request > dies_at ? absl::UnavailableError("dead") : absl::OkStatus();
      };
      {
        const std::unique_ptr<ObjectSink> sink = MakeObject();
        reached_end = Await(Deliver(*sink, body, 0, true)).ok();
      }
      loop_.restart();
      loop_.run();
      store_.before = nullptr;
      store_.after = nullptr;
      notes_.before = nullptr;

      const std::optional<UploadNote> note = UploadNote::Parse(notes_.note);
      if (note) {
        EXPECT_EQ(Await(AbortNoted(store_, {"bucket", "key"}, *note, {})), absl::OkStatus());
      }
      EXPECT_THAT(store_.uploads, IsEmpty()) << dies_at << done;
      for (const auto& [key, object] : store_.objects) EXPECT_EQ(object.bytes, body) << dies_at;
    }
  }
}

TEST_F(ObjectSinkTest, APartThatIsLargerThanPartsMayHoldIsRefusedInWords) {
  BufferPool small(kPartBytes);
  ObjectSink sink(
      {store_, small, clock_, tasks_, notes_},
      {.url = "s3://bucket/key", .object = {"bucket", "key"}, .part_bytes = kPartBytes});
  ASSERT_TRUE(Await(sink.Open(0)).ok());

  const absl::Status refused = Await(sink.Write(Bytes("x")));

  EXPECT_TRUE(absl::IsResourceExhausted(refused));
  EXPECT_THAT(MessageOf(refused), ::testing::HasSubstr("limits.buffer_bytes"));
}

}  // namespace
}  // namespace fetchd::sink
