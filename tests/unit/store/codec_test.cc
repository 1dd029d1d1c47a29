// Damaged columns; that values survive a round trip is the conformance suite's business.
#include <gtest/gtest.h>

#include "base/strings.h"
#include "store/batch_codec.h"
#include "store/object_codec.h"
#include "store/record_codec.h"
#include "store/spec_codec.h"
#include "store/spec_secrets.h"

namespace fetchd::store {
namespace {

TEST(SpecCodecTest, TheSpecificationHoldsNoSecret) {
  jobs::FetchSpec spec;
  spec.urls = {"https://origin.test/"};
  spec.headers = {{"authorization", Secret("CANARY-HEADER")}};
  spec.credentials = jobs::BasicCredentials{"user", Secret("CANARY-PASSWORD")};

  EXPECT_EQ(EncodeSpec(spec).find("CANARY"), std::string::npos);
  EXPECT_NE(EncodeSecrets(spec).find("CANARY-HEADER"), std::string::npos);
  EXPECT_NE(EncodeSecrets(spec).find("CANARY-PASSWORD"), std::string::npos);
}

TEST(SpecCodecTest, ADigestPasswordIsASecret) {
  jobs::FetchSpec spec;
  spec.credentials = jobs::DigestCredentials{"user", Secret("CANARY-PASSWORD")};

  EXPECT_EQ(EncodeSpec(spec).find("CANARY"), std::string::npos);
  EXPECT_NE(EncodeSecrets(spec).find("CANARY-PASSWORD"), std::string::npos);
  EXPECT_TRUE(absl::IsDataLoss(DecodeSpec(EncodeSpec(spec), "").status()));
}

TEST(SpecCodecTest, TheSignatureOfAUrlIsASecret) {
  jobs::FetchSpec spec;
  spec.urls = {"https://origin.test/a?part=1&X-Amz-Signature=CANARY", "https://mirror.test/a"};

  EXPECT_EQ(EncodeSpec(spec).find("CANARY"), std::string::npos);
  EXPECT_NE(EncodeSpec(spec).find("part=1"), std::string::npos);
  EXPECT_EQ(DecodeSpec(EncodeSpec(spec), EncodeSecrets(spec))->urls, spec.urls);
  EXPECT_TRUE(absl::IsDataLoss(DecodeSpec(EncodeSpec(spec), "").status()));
  EXPECT_TRUE(absl::IsDataLoss(DecodeSpec(EncodeSpec(spec), R"({"headers":[]})").status()));
  EXPECT_TRUE(absl::IsDataLoss(
      DecodeSpec(EncodeSpec(spec), R"({"headers":[],"urls":["https://a/"]})").status()));
  EXPECT_TRUE(absl::IsDataLoss(
      DecodeSpec(EncodeSpec(spec),
                 R"({"headers":[],"urls":["https://a/?sig=[redacted]","https://b/"]})")
          .status()));
}

TEST(SpecCodecTest, AUrlOfAnEarlierVersionReadsInClear) {
  const std::string earlier =
      R"({"urls":["https://a.test/?sig=x"],"method":"GET","headers":[],"digests":[],)"
      R"("timeouts":{},"retry":{}})";

  EXPECT_EQ(DecodeSpec(earlier, "")->urls.front(), "https://a.test/?sig=x");
}

TEST(SpecCodecTest, TheTraceIsKeptAndIsNoPartOfTheContent) {
  jobs::Job job;
  job.spec.urls = {"https://a.test/"};
  const std::string content = CanonicalContent(job);
  job.spec.trace = {.trace_id = "4bf92f3577b34da6a3ce929d0e0e4736",
                    .parent_id = "00f067aa0ba902b7",
                    .sampled = true,
                    .state = "a=1",
                    .request_id = "call-7"};

  EXPECT_EQ(CanonicalContent(job), content);
  EXPECT_EQ(DecodeSpec(EncodeSpec(job.spec), "")->trace, job.spec.trace);
  job.spec.trace = {};
  EXPECT_EQ(EncodeSpec(job.spec).find("trace"), std::string::npos);
}

TEST(SpecCodecTest, TheContentOfAnEarlierVersionIsTheSame) {
  jobs::Job job;
  job.spec.urls = {"https://a.test/?sig=x"};
  job.spec.headers = {{"Cookie", Secret("c")}};
  job.destination = "discard:";

  // What a request_id stands for is compared by this text.
  EXPECT_EQ(CanonicalContent(job),
            R"([{"urls":["https://a.test/?sig=x"],"method":"GET","headers":["Cookie"],)"
            R"("digests":[],"timeouts":{},"retry":{}},"{\"headers\":[\"c\"]}","discard:",)"
            R"("ALWAYS",0,"{}"])");
}

TEST(SpecCodecTest, ANamedSecretIsKeptAsItsName) {
  jobs::FetchSpec spec;
  spec.urls = {"https://origin.test/"};
  spec.headers = {{"Authorization", Secret(), "repo"}};
  spec.credentials = jobs::DigestCredentials{"user", Secret()};
  spec.credentials_secret = "login";

  EXPECT_EQ(EncodeSecrets(spec), "") << "there is nothing to seal";
  EXPECT_EQ(*DecodeSpec(EncodeSpec(spec), ""), spec);
  spec.headers.insert(spec.headers.begin(), {"Cookie", Secret("c")});
  EXPECT_EQ(*DecodeSpec(EncodeSpec(spec), EncodeSecrets(spec)), spec)
      << "beside one that is brought";
}

TEST(SpecCodecTest, ASecretBesideItsNameIsDataLoss) {
  jobs::FetchSpec spec;
  spec.headers = {{"Authorization", Secret(), "repo"}};
  spec.credentials = jobs::BearerCredentials();
  spec.credentials_secret = "login";

  EXPECT_TRUE(DecodeSpec(EncodeSpec(spec), R"({"headers":[""]})").ok());
  for (const char* wrong : {R"({"headers":["a"]})", R"({"headers":[""],"secret":"a"})"}) {
    EXPECT_TRUE(absl::IsDataLoss(DecodeSpec(EncodeSpec(spec), wrong).status())) << wrong;
  }
}

TEST(SpecCodecTest, ANameForAHeaderThatIsNotThereIsDataLoss) {
  const auto with = [](const char* secrets) {
    return Concat(R"({"urls":[],"method":"GET","headers":["a"],"header_secrets":)", secrets,
                  R"(,"digests":[],"timeouts":{},"retry":{}})");
  };

  EXPECT_TRUE(DecodeSpec(with(R"({"0":"x"})"), "").ok());
  for (const char* wrong : {R"({"1":"x"})", R"({"a":"x"})", R"({"0":1})", "7"}) {
    EXPECT_TRUE(absl::IsDataLoss(DecodeSpec(with(wrong), "").status())) << wrong;
  }
}

TEST(SpecCodecTest, RowsOfEarlierVersionsReadAndKeepTheirContent) {
  const std::string earlier =
      R"({"urls":["https://origin.test/"],"method":"GET","headers":[],"digests":[],)"
      R"("timeouts":{},"retry":{}})";

  const auto spec = DecodeSpec(earlier, "");

  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_FALSE(spec->decode || spec->range || spec->if_modified_since);
  // What a request_id stands for is compared by this text.
  EXPECT_EQ(EncodeSpec(*spec), earlier);
}

TEST(RecordCodecTest, ResultsOfEarlierVersionsWereModified) {
  const auto result = DecodeResult(
      R"({"final_url":"https://a/","http_status":200,"headers":[],"size_bytes":1,"digests":[]})");

  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->not_modified);
  EXPECT_FALSE(result->unchanged);
}

TEST(RecordCodecTest, AResultSaysThatItsDestinationWasLeftAlone) {
  jobs::Result result;
  result.unchanged = true;

  EXPECT_TRUE(DecodeResult(EncodeResult(result))->unchanged);
}

TEST(RecordCodecTest, AResultSaysWhichDestinationsHaveTheBody) {
  jobs::Result result;
  result.deliveries = {{"file:///a", absl::OkStatus(), true, "sha256-x"},
                       {"file:b", absl::ResourceExhaustedError("disk full"), false, ""}};

  const auto read = DecodeResult(EncodeResult(result));

  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->deliveries.size(), 2u);
  EXPECT_EQ(read->deliveries[0].destination, "file:///a");
  EXPECT_TRUE(read->deliveries[0].error.ok());
  EXPECT_TRUE(read->deliveries[0].unchanged);
  EXPECT_EQ(read->deliveries[0].digest, "sha256-x");
  EXPECT_EQ(read->deliveries[1].error, absl::ResourceExhaustedError("disk full"));
}

TEST(SpecCodecTest, FurtherDestinationsAreRareAndChecked) {
  const std::vector<jobs::MoreDestination> places = {{"file:b/1", "file:b/{job}"}};
  EXPECT_EQ(*DecodeMoreDestinations(EncodeMoreDestinations(places)), places);
  EXPECT_EQ(EncodeMoreDestinations({}), "");
  for (const char* text : {"{", "{}", "[1]", "[[]]", R"([["a"]])"}) {
    EXPECT_TRUE(absl::IsDataLoss(DecodeMoreDestinations(text).status())) << text;
  }
}

TEST(DefaultsCodecTest, WhatDoesNotParseIsDataLoss) {
  for (const char* const text :
       {"", "[]", "{}", R"({"overwrite":"MAYBE","priority":0,"labels":"{}"})",
        R"({"overwrite":"ALWAYS","priority":0,"labels":"[1]"})"}) {
    EXPECT_TRUE(absl::IsDataLoss(DecodeDefaults(text).status())) << text;
  }
}

TEST(RecordCodecTest, OfMostJobsThereIsNothingToKnowOfTheirUrls) {
  EXPECT_EQ(EncodeUrlMemory(jobs::UrlMemory()), "");
  EXPECT_EQ(*DecodeUrlMemory(""), jobs::UrlMemory());
  for (const char* text : {"{", "{}", "[]", R"({"next":-1,"notes":[]})", R"({"next":0})",
                           R"({"next":0,"notes":[{}]})"}) {
    EXPECT_TRUE(absl::IsDataLoss(DecodeUrlMemory(text).status())) << text;
  }
}

TEST(RecordCodecTest, ADigestStateThatDoesNotDecodeIsAsGoodAsNone) {
  for (const char* state : {"", R"(,"digest_state":"")", R"(,"digest_state":"not base64")"}) {
    const auto checkpoint = DecodeCheckpoint(Concat(R"({"bytes":7)", state, "}"));

    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    EXPECT_EQ(checkpoint->bytes, 7u);
    EXPECT_EQ(checkpoint->digest_state, "");
  }
}

TEST(SpecCodecTest, WithoutHeadersAndCredentialsThereAreNoSecrets) {
  EXPECT_EQ(EncodeSecrets(jobs::FetchSpec()), "");
}

TEST(SpecCodecTest, SecretsOfAnotherSpecificationAreDataLoss) {
  jobs::FetchSpec spec;
  spec.headers = {{"a", Secret("1")}, {"b", Secret("2")}};

  EXPECT_TRUE(absl::IsDataLoss(DecodeSpec(EncodeSpec(spec), R"({"headers":["1"]})").status()));
  EXPECT_TRUE(absl::IsDataLoss(DecodeSpec(EncodeSpec(spec), "").status()));
}

TEST(SpecCodecTest, ContentIsComparedByWhatWasAskedFor) {
  jobs::Job job;
  job.spec.urls = {"https://origin.test/"};
  job.destination_template = "file:{job}";
  job.destination = "file:1";
  jobs::Job same = job;
  same.destination = "file:2";
  same.created_at += std::chrono::seconds(1);
  jobs::Job other = job;
  other.labels = {{"a", "b"}};

  EXPECT_EQ(CanonicalContent(job), CanonicalContent(same));
  EXPECT_NE(CanonicalContent(job), CanonicalContent(other));
}

TEST(SpecCodecTest, WhatIsKeptWithAnObjectIsContent) {
  jobs::Job job;
  job.object.tags = {{"team", "a"}};

  EXPECT_NE(CanonicalContent(job), CanonicalContent(jobs::Job()));
  EXPECT_EQ(EncodeObject({}), "");
  EXPECT_EQ(*DecodeObject(EncodeObject(job.object)), job.object);
  EXPECT_TRUE(absl::IsDataLoss(DecodeObject(R"({"tags": 1})").status()));
}

TEST(SpecCodecTest, FurtherDestinationsAreContent) {
  jobs::Job job;
  job.more_destinations = {{"file:1", "file:{job}"}};
  jobs::Job same = job;
  same.more_destinations[0].resolved = "file:2";

  EXPECT_EQ(CanonicalContent(job), CanonicalContent(same));
  EXPECT_NE(CanonicalContent(job), CanonicalContent(jobs::Job()));
}

TEST(RecordCodecTest, DamagedTextIsDataLoss) {
  for (const char* text : {"", "{", "[]", "{}", "null", R"({"bytes":-1})", R"({"bytes":"x"})"}) {
    EXPECT_TRUE(absl::IsDataLoss(DecodeCheckpoint(text).status())) << text;
    EXPECT_TRUE(absl::IsDataLoss(DecodeResult(text).status())) << text;
    EXPECT_TRUE(absl::IsDataLoss(DecodeAttempt(text).status())) << text;
    EXPECT_TRUE(absl::IsDataLoss(DecodeSpec(text, "").status())) << text;
  }
}

TEST(RecordCodecTest, AStatusKeepsItsDetails) {
  const absl::Status status =
      WithRetryAfter(WithReason(absl::UnavailableError("busy"), {"BUSY", {{"host", "a"}}}),
                     std::chrono::milliseconds(1500));
  absl::Status read;

  ASSERT_TRUE(DecodeStatus(EncodeStatus(status), read).ok());

  EXPECT_EQ(read, status);
  EXPECT_EQ(GetRetryAfter(read), std::chrono::milliseconds(1500));
}

}  // namespace
}  // namespace fetchd::store
