// Jobs whose bodies come from a store of objects.
#include "fetch/object_sources.h"

#include "fetch/validate.h"
#include "support/memory_object_store.h"
#include "unit/fetch/fetch_fixture.h"

namespace fetchd::fetch {
namespace {

using ::testing::HasSubstr;

class ObjectSourcesTest : public FetchTest {
 protected:
  ObjectSourcesTest() {
    auto store = std::make_unique<testing::MemoryObjectStore>(clock_);
    objects_ = store.get();
    std::vector<sink::ObjectPlace> places(1);
    places[0] = {.name = "lab", .scheme = "s3", .buckets = {"bucket"}, .sources = true};
    places[0].by_shard.push_back(std::move(store));
    destinations_->ServeObjects(std::move(places), buffers_, {loop_.get_executor()});
    Script({Whole("of the web")});
    sources_.emplace(*client_, *destinations_, 0);
  }
  http::Client& Client() override { return *sources_; }

  jobs::Job JobFrom(const std::string& url) {
    jobs::Job job = NewJob();
    job.spec.urls = {url};
    return job;
  }

  testing::MemoryObjectStore* objects_;
  std::optional<ObjectSources> sources_;
};

TEST_F(ObjectSourcesTest, AJobFetchesAnObject) {
  objects_->objects["a b"] = {.bytes = "of the store", .etag = "\"e\"", .attributes = {}};

  const jobs::Job job = RunToEnd(JobFrom("s3://bucket/a b"));

  EXPECT_EQ(job.state, jobs::State::kSucceeded) << job.error;
  EXPECT_EQ(Content("out/file"), "of the store");
  EXPECT_THAT(client_->requests(), ::testing::IsEmpty());
}

TEST_F(ObjectSourcesTest, AllElseIsTheWebs) {
  const jobs::Job job = RunToEnd(JobFrom("https://example.org/file"));

  EXPECT_EQ(job.state, jobs::State::kSucceeded) << job.error;
  EXPECT_EQ(Content("out/file"), "of the web");
  EXPECT_THAT(objects_->requests, ::testing::IsEmpty());
}

TEST_F(ObjectSourcesTest, AnObjectGoesOnWhereItBrokeOff) {
  const std::string body = Pattern(1000);
  objects_->objects["key"] = {.bytes = body, .etag = "\"e\"", .attributes = {}};
  objects_->reads_break_after = 600;
  config_.checkpoint_bytes = 1;

  const jobs::Job job = RunToEnd(JobFrom("s3://bucket/key"));

  EXPECT_EQ(job.state, jobs::State::kSucceeded) << job.error;
  EXPECT_EQ(Content("out/file"), body);
  EXPECT_EQ(Attempts(job.id).back().resumed_from_bytes, 600U);
}

TEST_F(ObjectSourcesTest, AnotherVersionIsReadFromItsFirstByte) {
  objects_->objects["key"] = {.bytes = Pattern(1000), .etag = "\"e\"", .attributes = {}};
  objects_->reads_break_after = 600;
  config_.checkpoint_bytes = 1;
  const std::string later = Pattern(500, 2);
  objects_->after = [&](const std::string&) {
    objects_->objects["key"] = {.bytes = later, .etag = "\"f\"", .attributes = {}};
    return absl::OkStatus();
  };

  const jobs::Job job = RunToEnd(JobFrom("s3://bucket/key"));

  EXPECT_EQ(job.state, jobs::State::kSucceeded) << job.error;
  EXPECT_EQ(Content("out/file"), later);
}

TEST_F(ObjectSourcesTest, WhatTheStoreSaysIsTheJobsError) {
  const jobs::Job job = RunToEnd(JobFrom("s3://bucket/key"));

  EXPECT_EQ(job.state, jobs::State::kFailed);
  EXPECT_TRUE(absl::IsNotFound(job.error)) << job.error;
  EXPECT_THAT(MessageOf(job.error), HasSubstr("there is no such key"));
  EXPECT_EQ(Attempts(job.id).size(), 1U);
}

TEST_F(ObjectSourcesTest, StoresAndBucketsAreReadByLeaveOnly) {
  const auto check = [this](const char* uri) {
    return destinations_->CheckSource(**ParseObjectUri(uri));
  };
  EXPECT_TRUE(check("s3://bucket/key").ok());
  EXPECT_TRUE(check("s3+lab://bucket/key").ok());
  EXPECT_TRUE(absl::IsPermissionDenied(check("s3+lab://other/key")));
  EXPECT_TRUE(absl::IsInvalidArgument(check("s3://other/key")));
  EXPECT_TRUE(absl::IsInvalidArgument(check("gs://bucket/key")));

  std::vector<sink::ObjectPlace> places(2);
  places[0] = {.name = "closed", .scheme = "s3", .buckets = {"bucket"}};
  places[1] = {.name = "open", .scheme = "s3", .sources = true};
  destinations_->ServeObjects(std::move(places), buffers_, {});
  EXPECT_TRUE(check("s3://other/key").ok());
  EXPECT_TRUE(check("s3+open://other/key").ok());
  EXPECT_TRUE(absl::IsPermissionDenied(check("s3+open://bucket/key")));
  const absl::Status closed = check("s3://bucket/key");
  EXPECT_TRUE(absl::IsPermissionDenied(closed));
  EXPECT_THAT(MessageOf(closed), HasSubstr("stores.closed.sources is off"));
  EXPECT_EQ(RunToEnd(JobFrom("s3://bucket/key")).error.code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(ObjectSourcesTest, HowAStoreIsAskedIsNotTheJobsToSay) {
  const auto field_of = [](const jobs::FetchSpec& spec) {
    const absl::Status status = ValidateSpec(spec, {});
    return std::string(MessageOf(status).substr(0, MessageOf(status).find(':')));
  };
  jobs::FetchSpec plain;
  plain.urls = {"s3://bucket/key", "https://example.org/key"};
  EXPECT_TRUE(ValidateSpec(plain, {}).ok());
  jobs::FetchSpec spec = plain;
  spec.headers = {{"Accept", Secret("text/plain")}};
  EXPECT_EQ(field_of(spec), "spec.headers");
  spec = plain;
  spec.credentials = BearerCredentials{Secret("t")};
  EXPECT_EQ(field_of(spec), "spec.credentials");
  spec = plain;
  spec.proxy = "direct";
  EXPECT_EQ(field_of(spec), "spec.proxy");
  spec = plain;
  spec.tls_profile = "corp";
  EXPECT_EQ(field_of(spec), "spec.tls_profile");
}

}  // namespace
}  // namespace fetchd::fetch
