// AzureStore against Azurite.
#include <algorithm>
#include <map>

#include "base/hash.h"
#include "base/strings.h"
#include "base/url_text.h"
#include "integration/objstore_fixture.h"
#include "support/azurite.h"
#include "support/origin_scripts.h"

namespace fetchd::testing {
namespace {

using objstore::ObjectName;
using objstore::Part;
using objstore::Precondition;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr std::size_t kBlockBytes = 100'000;

AzureOptions OptionsForAzurite() {
  return {.endpoint = Azurite::Shared().HttpUrl(),
          .access = *objstore::AccountKeyAccess(Secret(Azurite::kAccountKey))};
}

/// A service SAS of a container, as "Create a service SAS" describes it.
objstore::AzureAccess TokenFor(const std::string& container, const std::string& permissions,
                               const std::string& expiry) {
  const std::string version = "2021-12-02";
  const std::string text = Concat(permissions, "\n\n", expiry, "\n/blob/", Azurite::kAccount, '/',
                                  container, "\n\n\n\n", version, "\nc\n\n\n\n\n\n\n");
  const std::string signature = Base64Encode(HmacSha256(*Base64Decode(Azurite::kAccountKey), text));
  return *objstore::SasTokenAccess(Secret(Concat(
      "?sv=", version, "&sr=c&sp=", permissions, "&se=", PercentEncode(expiry, UrlPart::kText),
      "&sig=", PercentEncode(signature, UrlPart::kText))));
}

class AzureTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!Azurite::IsInstalled()) {
      GTEST_SKIP() << "Azurite is not in " << Azurite::Folder()
                   << ": run scripts/install-deps test";
    }
    session_ = std::make_unique<AzureSession>(OptionsForAzurite());
    static int containers = 0;
    container_ = Concat("container-", ++containers);
    session_->MakeContainer(container_);
  }

  ObjectName Named(const std::string& key) const { return {container_, key}; }
  absl::StatusOr<objstore::ObjectInfo> Put(AzureSession& session, const std::string& key,
                                           const std::string& body,
                                           Precondition precondition = Precondition::kNone) {
    return session.Run(session.store().Put(Named(key), Lend(body), {}, precondition));
  }
  std::string Begin(const std::string& key) {
    return *session_->Run(session_->store().BeginUpload(Named(key), {}));
  }
  std::vector<Part> PutParts(const std::string& key, const std::string& id,
                             const std::string& body) {
    std::vector<Part> parts;
    for (std::size_t at = 0; at < body.size(); at += kBlockBytes) {
      const std::string piece = body.substr(at, kBlockBytes);
      const int number = static_cast<int>(parts.size()) + 1;
      auto part = session_->Run(session_->store().PutPart(Named(key), id, number, Lend(piece)));
      EXPECT_TRUE(part.ok()) << part.status();
      if (part.ok()) parts.push_back(*part);
    }
    return parts;
  }
  absl::StatusOr<objstore::ObjectInfo> Complete(AzureSession& session, const std::string& key,
                                                const std::string& id,
                                                const std::vector<Part>& parts,
                                                Precondition precondition = Precondition::kNone) {
    return session.Run(session.store().CompleteUpload(Named(key), id, parts, {}, precondition));
  }
  absl::StatusOr<std::vector<Part>> List(const std::string& key, const std::string& id) {
    return session_->Run(session_->store().ListParts(Named(key), id));
  }
  absl::Status Head(const std::string& key) {
    return session_->Run(session_->store().Head(Named(key))).status();
  }

  std::unique_ptr<AzureSession> session_;
  std::string container_;
};

TEST_F(AzureTest, EveryNameThatAzureKeepsNamesItsOwnBlob) {
  std::map<std::string, std::string> bodies;
  for (const std::string& key : AwkwardKeys()) {
    if (!objstore::CheckBlobName(key).ok()) continue;
    bodies[key] = Concat("body of ", key);
    const auto put = Put(*session_, key, bodies[key]);
    ASSERT_TRUE(put.ok()) << key << ": " << put.status();
  }
  EXPECT_EQ(bodies.size() + 5, AwkwardKeys().size());
  for (const auto& [key, body] : bodies) {
    const auto read = session_->Read(Named(key));
    EXPECT_TRUE(read.ok() && *read == body) << key << ": " << read.status();
  }
  for (const auto& [key, body] : bodies) {
    EXPECT_TRUE(session_->Run(session_->store().Delete(Named(key))).ok()) << key;
    EXPECT_TRUE(absl::IsNotFound(Head(key))) << key;
    EXPECT_TRUE(session_->Run(session_->store().Delete(Named(key))).ok()) << key;
  }
}

TEST_F(AzureTest, AnEmptyBlobIsOne) {
  ASSERT_TRUE(Put(*session_, "empty", "").ok());
  EXPECT_EQ(*session_->Read(Named("empty")), "");
}

TEST_F(AzureTest, AReadGoesOnFromAnOffsetOfTheSameVersion) {
  const std::string body = PatternBody(100'000);
  const auto put = Put(*session_, "k", body);
  ASSERT_TRUE(put.ok()) << put.status();

  EXPECT_EQ(*session_->Read(Named("k"), 40'000, put->etag), body.substr(40'000));
  EXPECT_TRUE(absl::IsOutOfRange(session_->Read(Named("k"), 200'000).status()));
  ASSERT_TRUE(Put(*session_, "k", "another").ok());
  EXPECT_TRUE(absl::IsNotFound(session_->Read(Named("k"), 0, put->etag).status()));
}

TEST_F(AzureTest, AttributesAreKeptByBlobsOfBothKinds) {
  const objstore::ObjectAttributes attributes{.content_type = "text/x-test",
                                              .content_disposition = "inline",
                                              .cache_control = "no-store",
                                              .storage_class = "Cool",
                                              .metadata = {{"job", "J 1"}},
                                              .tags = {{"team", "a b"}}};
  const std::string body = "x";
  ASSERT_TRUE(
      session_
          ->Run(session_->store().Put(Named("put"), Lend(body), attributes, Precondition::kNone))
          .ok());
  const std::string id = Begin("parts");
  ASSERT_TRUE(
      session_
          ->Run(session_->store().CompleteUpload(Named("parts"), id, PutParts("parts", id, body),
                                                 attributes, Precondition::kNone))
          .ok());

  for (const char* key : {"put", "parts"}) {
    auto got = session_->Run(session_->store().Get(Named(key), 0, ""));

    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(got->head.headers.Get("Content-Type"), "text/x-test") << key;
    EXPECT_EQ(got->head.headers.Get("Content-Disposition"), "inline") << key;
    EXPECT_EQ(got->head.headers.Get("Cache-Control"), "no-store") << key;
    EXPECT_EQ(got->head.headers.Get("x-ms-meta-job"), "J 1") << key;
    EXPECT_EQ(got->head.headers.Get("x-ms-tag-count"), "1") << key;
    got->body.reset();
  }
}

TEST_F(AzureTest, AnUploadInPartsIsOneBlobInTheEnd) {
  const std::string body = PatternBody(2 * kBlockBytes + 1000);
  const std::string key = "multi/+ part?";
  const std::string id = Begin(key);
  const std::vector<Part> parts = PutParts(key, id, body);
  ASSERT_EQ(parts.size(), 3U);

  const auto listed = List(key, id);
  ASSERT_TRUE(listed.ok()) << listed.status();
  EXPECT_EQ(*listed, parts);
  EXPECT_TRUE(absl::IsNotFound(Head(key)));

  const auto complete = Complete(*session_, key, id, parts);
  ASSERT_TRUE(complete.ok()) << complete.status();
  EXPECT_EQ(complete->size_bytes, body.size());
  EXPECT_TRUE(*session_->Read(Named(key)) == body);

  const auto again = Complete(*session_, key, id, parts);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->etag, complete->etag);
  EXPECT_TRUE(absl::IsNotFound(List(key, id).status()));
}

TEST_F(AzureTest, UploadsOfOneBlobDoNotMix) {
  const std::string first = Begin("k"), second = Begin("k");
  const std::vector<Part> of_first = PutParts("k", first, "first");
  const std::vector<Part> of_second = PutParts("k", second, "second");
  EXPECT_EQ(*List("k", first), of_first);
  EXPECT_EQ(*List("k", second), of_second);

  ASSERT_TRUE(Complete(*session_, "k", first, of_first).ok());

  // What is there is not of the second, whose blocks are gone.
  EXPECT_THAT(*List("k", second), IsEmpty());
  const absl::Status gone = Complete(*session_, "k", second, of_second).status();
  EXPECT_TRUE(absl::IsNotFound(gone)) << gone;
  EXPECT_EQ(CodeOf(gone), "InvalidBlockList");
  EXPECT_EQ(*session_->Read(Named("k")), "first");
}

TEST_F(AzureTest, AnUploadThatIsEndedMakesNoBlob) {
  const std::string id = Begin("k");
  PutParts("k", id, "part");

  EXPECT_TRUE(session_->Run(session_->store().AbortUpload(Named("k"), id)).ok());

  EXPECT_TRUE(absl::IsNotFound(Head("k")));
  EXPECT_TRUE(Put(*session_, "k", "later").ok());
  EXPECT_EQ(*session_->Read(Named("k")), "later");
}

TEST_F(AzureTest, ACompletionWhoseAnswerWasLostIsFoundByItsBlocks) {
  for (const Precondition precondition : {Precondition::kNone, Precondition::kAbsent}) {
    const std::string key = precondition == Precondition::kNone ? "any" : "absent";
    const std::string id = Begin(key);
    const std::vector<Part> parts = PutParts(key, id, "one part");
    AzureOptions options = OptionsForAzurite();
    options.mishaps.lose_answer_to = "PUT";
    AzureSession unlucky(std::move(options));

    const auto complete = Complete(unlucky, key, id, parts, precondition);

    ASSERT_TRUE(complete.ok()) << complete.status();
    EXPECT_EQ(complete->size_bytes, 8U);
    EXPECT_EQ(*session_->Read(Named(key)), "one part");
  }
}

TEST_F(AzureTest, APutWhoseAnswerWasLostIsFoundByItsMd5) {
  AzureOptions options = OptionsForAzurite();
  options.mishaps.lose_answer_to = "PUT";
  AzureSession unlucky(std::move(options));

  const auto put = Put(unlucky, "k", "body", Precondition::kAbsent);

  ASSERT_TRUE(put.ok()) << put.status();
  EXPECT_EQ(put->md5, *HashHex(HashAlgorithm::kMd5, "body"));
}

TEST_F(AzureTest, AConditionIsHonouredByWritesOfBothKinds) {
  ASSERT_TRUE(Put(*session_, "there", "first").ok());
  const std::string id = Begin("there");
  const std::vector<Part> parts = PutParts("there", id, "third");

  const absl::Status put = Put(*session_, "there", "second", Precondition::kAbsent).status();
  const absl::Status complete =
      Complete(*session_, "there", id, parts, Precondition::kAbsent).status();

  EXPECT_TRUE(absl::IsAlreadyExists(put)) << put;
  EXPECT_EQ(CodeOf(put), "BlobAlreadyExists");
  EXPECT_TRUE(absl::IsAlreadyExists(complete)) << complete;
  EXPECT_EQ(*session_->Read(Named("there")), "first");
  EXPECT_TRUE(Put(*session_, "absent", "x", Precondition::kAbsent).ok());
}

TEST_F(AzureTest, AKeyThatIsWrongIsPermissionDenied) {
  AzureOptions options = OptionsForAzurite();
  options.access = *objstore::AccountKeyAccess(Secret("aHVudGVyMg=="));
  AzureSession wrong(std::move(options));

  const absl::Status status = Put(wrong, "k", "x").status();

  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  EXPECT_EQ(CodeOf(status), "AuthorizationFailure");  // Azure itself: AuthenticationFailed.
}

TEST_F(AzureTest, ATokenIsAsGoodAsItsPermissions) {
  const auto with = [](objstore::AzureAccess access) {
    AzureOptions options = OptionsForAzurite();
    options.access = std::move(access);
    return options;
  };
  AzureSession whole(with(TokenFor(container_, "rcwd", "2099-01-01T00:00:00Z")));
  AzureSession reads(with(TokenFor(container_, "r", "2099-01-01T00:00:00Z")));
  AzureSession expired(with(TokenFor(container_, "rcwd", "2020-01-01T00:00:00Z")));
  const std::string id = *whole.Run(whole.store().BeginUpload(Named("k"), {}));
  const std::string body = "by token";

  const auto part = whole.Run(whole.store().PutPart(Named("k"), id, 1, Lend(body)));
  ASSERT_TRUE(part.ok()) << part.status();
  EXPECT_EQ(*whole.Run(whole.store().ListParts(Named("k"), id)), std::vector<Part>{*part});
  ASSERT_TRUE(Complete(whole, "k", id, {*part}).ok());
  EXPECT_EQ(*reads.Read(Named("k")), body);
  EXPECT_TRUE(whole.Run(whole.store().Delete(Named("k"))).ok());
  for (AzureSession* session : {&reads, &expired}) {
    const absl::Status status = Put(*session, "k", "x").status();
    EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
    EXPECT_THAT(MessageOf(status), Not(HasSubstr("sig=")));
  }
}

TEST_F(AzureTest, AContainerThatIsNotThereIsNotFound) {
  const std::string body = "x";
  const ObjectName nowhere{"nowhere", "k"};
  const std::string id = Begin("k");

  const absl::Status part =
      session_->Run(session_->store().PutPart(nowhere, id, 1, Lend(body))).status();

  EXPECT_TRUE(absl::IsFailedPrecondition(part)) << part;
  EXPECT_EQ(CodeOf(part), "ContainerNotFound");
  for (const absl::Status& status :
       {session_->Run(session_->store().Put(nowhere, Lend(body), {}, Precondition::kNone)).status(),
        session_->Run(session_->store().ListParts(nowhere, id)).status()}) {
    EXPECT_TRUE(absl::IsNotFound(status)) << status;
    EXPECT_EQ(CodeOf(status), "ContainerNotFound");
  }
}

TEST_F(AzureTest, ABodyThatChangesOnTheWayIsRefused) {
  AzureOptions options = OptionsForAzurite();
  options.content_md5 = true;
  options.mishaps.change = BecomeAnother;
  AzureSession tampered(std::move(options));
  const std::string body = "right";

  const absl::Status put = Put(tampered, "k", body).status();
  const absl::Status part =
      tampered.Run(tampered.store().PutPart(Named("k"), Begin("k"), 1, Lend(body))).status();

  // Azure itself: Md5Mismatch.
  EXPECT_THAT(MessageOf(put), HasSubstr("Provided contentMD5 doesn't match"));
  EXPECT_THAT(MessageOf(part), HasSubstr("Provided contentMD5 doesn't match"));
  EXPECT_TRUE(absl::IsNotFound(Head("k")));
}

TEST_F(AzureTest, ItIsReachedWithTls) {
  AzureOptions options = OptionsForAzurite();
  options.endpoint = Azurite::Shared().HttpsUrl();
  options.ca_file = Azurite::Shared().ca_file().string();
  options.content_md5 = true;
  AzureSession session(std::move(options));
  session.MakeContainer(container_);
  const std::string body = PatternBody(300'000);

  const auto put = Put(session, "a b", body);

  ASSERT_TRUE(put.ok()) << put.status();
  EXPECT_TRUE(*session.Read(Named("a b")) == body);
}

}  // namespace
}  // namespace fetchd::testing
