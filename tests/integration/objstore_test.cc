// S3Store against two real stores: what both do, and what each is alone with.
#include <algorithm>
#include <iostream>
#include <map>

#include "base/strings.h"
#include "integration/objstore_fixture.h"
#include "support/origin_scripts.h"
#include "support/radosgw.h"
#include "support/swift.h"

namespace fetchd::testing {
namespace {

using objstore::ObjectName;
using objstore::Part;
using objstore::Precondition;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::size_t kPartBytes = 5 << 20;  // S3's least for all but the last.

enum class Server { kRadosgw, kSwift };

StoreOptions OptionsFor(Server server) {
  StoreOptions options;
  const bool ceph = server == Server::kRadosgw;
  options.endpoint = ceph ? Radosgw::Shared().HttpUrl() : Swift::Shared().HttpUrl();
  options.access_key = ceph ? Radosgw::kAccessKey : Swift::kAccessKey;
  options.secret_key = ceph ? Radosgw::kSecretKey : Swift::kSecretKey;
  options.config.path_style = true;
  return options;
}

class ObjstoreTest : public ::testing::TestWithParam<Server> {
 protected:
  ObjstoreTest() : session_(OptionsFor(GetParam())) {
    static int buckets = 0;
    bucket_ = Concat("bucket-", ++buckets);
    session_.MakeBucket(bucket_);
  }
  StoreOptions Options() const { return OptionsFor(GetParam()); }
  ObjectName Named(const std::string& key) const { return {bucket_, key}; }
  absl::StatusOr<objstore::ObjectInfo> Put(StoreSession& session, const std::string& key,
                                           const std::string& body,
                                           Precondition precondition = Precondition::kNone) {
    return session.Run(session.store().Put(Named(key), Lend(body), {}, precondition));
  }
  std::string Begin(const std::string& key) {
    auto id = session_.Run(session_.store().BeginUpload(Named(key), {}));
    EXPECT_TRUE(id.ok()) << id.status();
    return id.ok() ? *id : std::string();
  }
  std::vector<Part> PutParts(const std::string& key, const std::string& id,
                             const std::string& body) {
    std::vector<Part> parts;
    for (std::size_t at = 0; at < body.size(); at += kPartBytes) {
      const std::string piece = body.substr(at, kPartBytes);
      const int number = static_cast<int>(parts.size()) + 1;
      auto part = session_.Run(session_.store().PutPart(Named(key), id, number, Lend(piece)));
      EXPECT_TRUE(part.ok()) << part.status();
      if (part.ok()) parts.push_back(*part);
    }
    return parts;
  }

  StoreSession session_;
  std::string bucket_;
};

TEST_P(ObjstoreTest, EveryKeyNamesItsOwnObject) {
  std::map<std::string, std::string> bodies;
  for (const std::string& key : AwkwardKeys()) {
    bodies[key] = Concat("body of ", key);
    const auto put = Put(session_, key, bodies[key]);
    ASSERT_TRUE(put.ok()) << key << ": " << put.status();
  }
  for (const auto& [key, body] : bodies) {
    const auto head = session_.Run(session_.store().Head(Named(key)));
    ASSERT_TRUE(head.ok()) << key << ": " << head.status();
    EXPECT_EQ(head->size_bytes, body.size()) << key;
    const auto read = session_.Read(Named(key));
    EXPECT_TRUE(read.ok() && *read == body) << key << ": " << read.status();
  }
  for (const auto& [key, body] : bodies) {
    EXPECT_TRUE(session_.Run(session_.store().Delete(Named(key))).ok()) << key;
    EXPECT_TRUE(absl::IsNotFound(session_.Run(session_.store().Head(Named(key))).status())) << key;
    EXPECT_TRUE(session_.Run(session_.store().Delete(Named(key))).ok()) << key;
  }
}

TEST_P(ObjstoreTest, AnEmptyObjectIsOne) {
  ASSERT_TRUE(Put(session_, "empty", "").ok());
  EXPECT_EQ(*session_.Read(Named("empty")), "");
}

TEST_P(ObjstoreTest, AReadGoesOnFromAnOffsetOfTheSameVersion) {
  const std::string body = PatternBody(100'000);
  const auto put = Put(session_, "k", body);
  ASSERT_TRUE(put.ok()) << put.status();

  EXPECT_EQ(*session_.Read(Named("k"), 40'000, put->etag), body.substr(40'000));
  EXPECT_TRUE(absl::IsOutOfRange(session_.Read(Named("k"), 200'000).status()));
  ASSERT_TRUE(Put(session_, "k", "another").ok());
  EXPECT_TRUE(absl::IsNotFound(session_.Read(Named("k"), 0, put->etag).status()));
}

TEST_P(ObjstoreTest, AttributesAreKept) {
  objstore::ObjectAttributes attributes;
  attributes.content_type = "text/x-test";
  attributes.cache_control = "no-store";
  attributes.metadata = {{"job", "J 1"}};
  const std::string body = "x";

  ASSERT_TRUE(
      session_.Run(session_.store().Put(Named("k"), Lend(body), attributes, Precondition::kNone))
          .ok());
  auto got = session_.Run(session_.store().Get(Named("k"), 0, ""));

  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->head.headers.Get("Content-Type"), "text/x-test");
  EXPECT_EQ(got->head.headers.Get("x-amz-meta-job"), "J 1");
  got->body.reset();
}

TEST_P(ObjstoreTest, AnUploadInPartsIsOneObjectInTheEnd) {
  const std::string body = PatternBody(2 * kPartBytes + 1000);
  const std::string key = "multi/+ part?";
  const std::string id = Begin(key);
  const std::vector<Part> parts = PutParts(key, id, body);
  ASSERT_EQ(parts.size(), 3U);

  const auto listed = session_.Run(session_.store().ListParts(Named(key), id));
  ASSERT_TRUE(listed.ok()) << listed.status();
  EXPECT_EQ(*listed, parts);
  EXPECT_TRUE(absl::IsNotFound(session_.Run(session_.store().Head(Named(key))).status()));

  const auto complete =
      session_.Run(session_.store().CompleteUpload(Named(key), id, parts, {}, Precondition::kNone));
  ASSERT_TRUE(complete.ok()) << complete.status();
  EXPECT_EQ(complete->size_bytes, body.size());
  EXPECT_TRUE(*session_.Read(Named(key)) == body);

  const auto head = session_.Run(session_.store().Head(Named(key)));
  ASSERT_TRUE(head.ok());
  EXPECT_EQ(head->etag, complete->etag);
  const auto again =
      session_.Run(session_.store().CompleteUpload(Named(key), id, parts, {}, Precondition::kNone));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->etag, complete->etag);
  // Swift lists the parts of what was completed.
  const auto gone = session_.Run(session_.store().ListParts(Named(key), id));
  EXPECT_EQ(absl::IsNotFound(gone.status()), GetParam() == Server::kRadosgw) << gone.status();
}

TEST_P(ObjstoreTest, AnUploadThatIsAbortedLeavesNothing) {
  const std::string id = Begin("k");
  PutParts("k", id, "part");

  EXPECT_TRUE(session_.Run(session_.store().AbortUpload(Named("k"), id)).ok());
  EXPECT_TRUE(session_.Run(session_.store().AbortUpload(Named("k"), id)).ok());

  EXPECT_TRUE(absl::IsNotFound(session_.Run(session_.store().ListParts(Named("k"), id)).status()));
  EXPECT_TRUE(absl::IsNotFound(session_.Run(session_.store().Head(Named("k"))).status()));
  EXPECT_TRUE(session_.Run(session_.store().ListUploads(bucket_, ""))->empty());
}

TEST_P(ObjstoreTest, UploadsThatWereBegunAreListedByPrefix) {
  const std::string id = Begin("a/\xc3\xbc + %");
  Begin("b/x");
  Begin("a/second");

  const auto uploads = session_.Run(session_.store().ListUploads(bucket_, "a/"));

  ASSERT_TRUE(uploads.ok()) << uploads.status();
  ASSERT_EQ(uploads->size(), 2U);
  const auto found = std::ranges::find(*uploads, id, &objstore::Upload::id);
  ASSERT_NE(found, uploads->end());
  EXPECT_EQ(found->key, "a/\xc3\xbc + %");
  EXPECT_LT(RealClock().WallNow() - found->begun_at, std::chrono::minutes(5));
}

TEST_P(ObjstoreTest, AnUploadThatAnotherCompletedIsFoundByItsParts) {
  const std::string id = Begin("k");
  const std::vector<Part> parts = PutParts("k", id, "one part");
  // The answer to the first is lost: the client is told that the connection broke.
  StoreOptions options = Options();
  options.mishaps.lose_answer_to = "POST";
  StoreSession unlucky(std::move(options));

  const auto complete =
      unlucky.Run(unlucky.store().CompleteUpload(Named("k"), id, parts, {}, Precondition::kNone));

  ASSERT_TRUE(complete.ok()) << complete.status();
  EXPECT_EQ(complete->size_bytes, 8U);
  EXPECT_EQ(*session_.Read(Named("k")), "one part");
}

TEST_P(ObjstoreTest, KeysThatAreWrongArePermissionDenied) {
  StoreOptions wrong_secret = Options(), unknown_id = Options();
  wrong_secret.secret_key = "wrong";
  unknown_id.access_key = "UNKNOWN:NOBODY";
  StoreSession with_wrong_secret(wrong_secret), with_unknown_id(unknown_id);

  const absl::Status wrong = Put(with_wrong_secret, "k", "x").status();
  const absl::Status unknown = Put(with_unknown_id, "k", "x").status();

  EXPECT_TRUE(absl::IsPermissionDenied(wrong)) << wrong;
  EXPECT_EQ(CodeOf(wrong), "SignatureDoesNotMatch");
  EXPECT_THAT(MessageOf(wrong), Not(HasSubstr("secretkey")));
  EXPECT_TRUE(absl::IsPermissionDenied(unknown)) << unknown;
  EXPECT_EQ(CodeOf(unknown),
            GetParam() == Server::kSwift ? "SignatureDoesNotMatch" : "InvalidAccessKeyId");
}

TEST_P(ObjstoreTest, ABucketThatIsNotThereIsNotFound) {
  const std::string body = "x";
  const absl::Status status =
      session_.Run(session_.store().Put({"nowhere", "k"}, Lend(body), {}, Precondition::kNone))
          .status();

  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_EQ(CodeOf(status), "NoSuchBucket");
}

TEST_P(ObjstoreTest, ABodyThatChangesOnTheWayIsDataLoss) {
  StoreOptions options = Options();
  options.mishaps.change = BecomeAnother;
  StoreSession tampered(std::move(options));

  const absl::Status status = Put(tampered, "k", "right").status();

  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_EQ(CodeOf(status),
            GetParam() == Server::kSwift ? "BadDigest" : "XAmzContentSHA256Mismatch");
  EXPECT_TRUE(absl::IsNotFound(session_.Run(session_.store().Head(Named("k"))).status()));
}

TEST_P(ObjstoreTest, AClockThatIsWrongIsNamed) {
  StoreOptions options = Options();
  options.mishaps.skew = std::chrono::hours(1);
  StoreSession early(std::move(options));

  const absl::Status status = Put(early, "k", "x").status();

  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_EQ(CodeOf(status), "RequestTimeTooSkewed");
  EXPECT_THAT(MessageOf(status), AnyOf(HasSubstr("our clock is 1 h "), HasSubstr("59 min ")));
  EXPECT_THAT(MessageOf(status), HasSubstr("ahead of that of the store"));
}

TEST_P(ObjstoreTest, AConditionIsHonouredOrRefused) {
  ASSERT_TRUE(Put(session_, "there", "first").ok());

  const absl::Status there = Put(session_, "there", "second", Precondition::kAbsent).status();
  const absl::Status absent = Put(session_, "absent", "x", Precondition::kAbsent).status();

  EXPECT_EQ(*session_.Read(Named("there")), "first");
  if (GetParam() == Server::kSwift) {
    EXPECT_TRUE(absl::IsUnimplemented(there)) << there;
    EXPECT_EQ(CodeOf(there), "NotImplemented");
    return;
  }
  EXPECT_TRUE(absl::IsAlreadyExists(there)) << there;
  EXPECT_TRUE(absent.ok()) << absent;
}

std::vector<Server> Servers() {
  if (Swift::CanRun()) return {Server::kRadosgw, Server::kSwift};
  std::cerr << "SKIPPED: Swift, for want of extended attributes in the temporary folder\n";
  return {Server::kRadosgw};
}

INSTANTIATE_TEST_SUITE_P(Servers, ObjstoreTest, ::testing::ValuesIn(Servers()),
                         [](const ::testing::TestParamInfo<Server>& each) {
                           return each.param == Server::kRadosgw ? "Radosgw" : "Swift";
                         });

TEST(RadosgwTest, ABucketInTheHostIsReachedWithTls) {
  StoreOptions options = OptionsFor(Server::kRadosgw);
  options.endpoint = Radosgw::Shared().HttpsUrl();
  options.ca_file = Radosgw::Shared().ca_file().string();
  options.config.path_style = false;
  options.config.payload = objstore::PayloadSigning::kUnsigned;
  StoreSession session(std::move(options));
  session.MakeBucket(Radosgw::kHostBucket);
  const std::string body = PatternBody(300'000);
  const ObjectName object{Radosgw::kHostBucket, "../a b"};

  const auto put = session.Run(session.store().Put(object, Lend(body), {}, Precondition::kNone));

  ASSERT_TRUE(put.ok()) << put.status();
  EXPECT_TRUE(*session.Read(object) == body);
}

TEST(RadosgwTest, ContentMd5FindsABodyThatChangedWhereNoHashIsSigned) {
  StoreOptions options = OptionsFor(Server::kRadosgw);
  options.endpoint = Radosgw::Shared().HttpsUrl();
  options.ca_file = Radosgw::Shared().ca_file().string();
  options.config.payload = objstore::PayloadSigning::kUnsigned;
  options.config.content_md5 = true;
  options.mishaps.change = BecomeAnother;
  StoreSession session(std::move(options));
  session.MakeBucket("with-md5");
  const std::string body = "right";

  const absl::Status status =
      session.Run(session.store().Put({"with-md5", "k"}, Lend(body), {}, Precondition::kNone))
          .status();

  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_EQ(CodeOf(status), "BadDigest");
}

TEST(RadosgwTest, ACertificateOfAnotherAuthorityIsRefused) {
  TempFolder folder;
  const CertificateAuthority other(folder.path());
  StoreOptions options = OptionsFor(Server::kRadosgw);
  options.endpoint = Radosgw::Shared().HttpsUrl();
  options.ca_file = other.ca_file().string();
  StoreSession session(std::move(options));

  const auto head = session.Run(session.store().Head({"b", "k"}));

  EXPECT_TRUE(absl::IsFailedPrecondition(head.status())) << head.status();
}

}  // namespace
}  // namespace fetchd::testing
