// Uploads in parts, made of blocks.
#include "azure_fixture.h"
#include "objstore/azure_block_id.h"

namespace fetchd::objstore {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kUpload(32, 'a');
const std::string kOtherUpload(32, 'b');

class AzureUploadTest : public AzureStoreTest {
 protected:
  static Part PartOf(int number, std::uint64_t size) {
    return {number, BlockId(kUpload, number), size, ""};
  }
  absl::StatusOr<ObjectInfo> Complete(Precondition precondition = Precondition::kNone) {
    return Run(store().CompleteUpload(blob_, kUpload, {PartOf(2, 1), PartOf(1, 3)},
                                      {.content_type = "text/plain"}, precondition));
  }
  /// The two parts of Complete(), as the blob has them.
  static std::string OurBlocks() {
    return BlockXml(BlockId(kUpload, 1), 3) + BlockXml(BlockId(kUpload, 2), 1);
  }
};

TEST_F(AzureUploadTest, BeginningAsksNobodyAndGivesAnIdThatIsNew) {
  const auto first = Run(store().BeginUpload(blob_, {}));
  const auto second = Run(store().BeginUpload(blob_, {}));

  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(IsUploadId(*first));
  EXPECT_NE(*first, *second);
  EXPECT_EQ(asked(), 0U);
}

TEST_F(AzureUploadTest, APartIsABlockOfItsNumber) {
  answers_ = {Say(201)};

  const auto part = Run(store().PutPart(blob_, kUpload, 7, Bytes("part")));

  ASSERT_TRUE(part.ok()) << part.status();
  EXPECT_EQ(*part, PartOf(7, 4));
  EXPECT_EQ(Asked(0), Concat("PUT /acct1/con/k?blockid=", BlockId(kUpload, 7), "&comp=block"));
  EXPECT_EQ(bodies_[0], "part");
}

TEST_F(AzureUploadTest, PartsThatCannotBeAreRefused) {
  const auto put = [&](const std::string& upload, int number, std::string_view text) {
    return Run(store().PutPart(blob_, upload, number, Bytes(text))).status();
  };
  EXPECT_TRUE(absl::IsInvalidArgument(put(kUpload, 0, "x")));
  EXPECT_TRUE(absl::IsInvalidArgument(put(kUpload, 10'001, "x")));
  EXPECT_TRUE(absl::IsInvalidArgument(put(kUpload, 1, "")));
  EXPECT_TRUE(absl::IsInvalidArgument(put("another store's id", 1, "x")));
  EXPECT_TRUE(
      absl::IsInvalidArgument(Run(store().ListParts(blob_, "another store's id")).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(
      Run(store().CompleteUpload(blob_, kUpload, {}, {}, Precondition::kNone)).status()));
  EXPECT_EQ(asked(), 0U);
}

TEST_F(AzureUploadTest, AContainerThatIsNotThereIsNoUploadThatIsGone) {
  answers_ = {SayError(404, "ContainerNotFound")};

  const absl::Status status = Run(store().PutPart(blob_, kUpload, 1, Bytes("x"))).status();

  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_EQ(CodeOf(status), "ContainerNotFound");
}

TEST_F(AzureUploadTest, ThePartsOfAnUploadAreItsOwnBlocksThatWait) {
  answers_ = {SayBlocks(BlockXml(BlockId(kOtherUpload, 1), 9),
                        BlockXml(BlockId(kUpload, 2), 1) + BlockXml(BlockId(kOtherUpload, 1), 5) +
                            BlockXml("Zm9yZWlnbg==", 5) + BlockXml(BlockId(kUpload, 1), 3))};

  const auto parts = Run(store().ListParts(blob_, kUpload));

  ASSERT_TRUE(parts.ok()) << parts.status();
  EXPECT_THAT(*parts, ElementsAre(PartOf(1, 3), PartOf(2, 1)));
  EXPECT_EQ(Asked(0), "GET /acct1/con/k?blocklisttype=all&comp=blocklist");
}

TEST_F(AzureUploadTest, WithoutABlockThereAreNoParts) {
  answers_ = {SayError(404, "BlobNotFound"), SayError(404, "ContainerNotFound")};

  EXPECT_THAT(*Run(store().ListParts(blob_, kUpload)), IsEmpty());
  EXPECT_TRUE(absl::IsNotFound(Run(store().ListParts(blob_, kUpload)).status()));
}

TEST_F(AzureUploadTest, AnUploadThatMadeTheBlobIsNoUploadAnyMore) {
  answers_ = {SayBlocks(OurBlocks(), BlockXml(BlockId(kUpload, 2), 1)),
              SayBlocks(BlockXml(BlockId(kOtherUpload, 1), 3), "")};

  const absl::Status completed = Run(store().ListParts(blob_, kUpload)).status();
  const auto of_another = Run(store().ListParts(blob_, kUpload));

  EXPECT_TRUE(absl::IsNotFound(completed)) << completed;
  EXPECT_THAT(MessageOf(completed), HasSubstr("of con/k: the upload was completed"));
  ASSERT_TRUE(of_another.ok()) << of_another.status();
  EXPECT_THAT(*of_another, IsEmpty());
}

TEST_F(AzureUploadTest, AListThatIsNoneIsDataLoss) {
  answers_ = {Say(200, "<html/>")};

  const absl::Status status = Run(store().ListParts(blob_, kUpload)).status();

  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(MessageOf(status), HasSubstr("Get Block List of con/k"));
}

TEST_F(AzureUploadTest, CompletingNamesTheBlocksInTheirOrderAndTheAttributes) {
  answers_ = {Say(201, "", {{"ETag", "\"e\""}, {"Content-MD5", "AAAA"}})};

  const auto complete = Complete(Precondition::kAbsent);

  ASSERT_TRUE(complete.ok()) << complete.status();
  EXPECT_EQ(complete->size_bytes, 4U);
  EXPECT_EQ(complete->etag, "\"e\"");
  EXPECT_EQ(complete->md5, "");
  EXPECT_EQ(Asked(0), "PUT /acct1/con/k?comp=blocklist");
  EXPECT_EQ(bodies_[0], ComposeBlockList({BlockId(kUpload, 1), BlockId(kUpload, 2)}));
  EXPECT_EQ(client_.Header(0, "x-ms-blob-content-type"), "text/plain");
  EXPECT_EQ(client_.Header(0, "If-None-Match"), "*");
}

TEST_F(AzureUploadTest, AnUploadThatWasCompletedBeforeIsFoundByItsBlocks) {
  FakeAnswer head = Say(200, "", {{"ETag", "\"e\""}});
  head.content_length = 4;
  for (const FakeAnswer& refusal :
       {SayError(400, "InvalidBlockList"), SayError(409, "BlobAlreadyExists")}) {
    answers_ = {SayNothing(absl::UnavailableError("lost")), refusal, SayBlocks(OurBlocks(), ""),
                head};

    const auto complete = Complete(Precondition::kAbsent);

    ASSERT_TRUE(complete.ok()) << complete.status();
    EXPECT_EQ(complete->etag, "\"e\"");
    EXPECT_EQ(complete->size_bytes, 4U);
  }
}

TEST_F(AzureUploadTest, AnothersBlobIsNotTakenForOurs) {
  const std::string others = BlockXml(BlockId(kOtherUpload, 1), 3);
  const std::string half = BlockXml(BlockId(kUpload, 1), 3);
  answers_ = {SayError(409, "BlobAlreadyExists"), SayBlocks(others, OurBlocks()),
              SayError(400, "InvalidBlockList"),  SayBlocks(half, ""),
              SayError(400, "InvalidBlockList"),  SayError(404, "BlobNotFound")};

  const absl::Status exists = Complete(Precondition::kAbsent).status();
  const absl::Status partial = Complete().status();
  const absl::Status gone = Complete().status();

  EXPECT_TRUE(absl::IsAlreadyExists(exists)) << exists;
  EXPECT_TRUE(absl::IsNotFound(partial)) << partial;
  EXPECT_TRUE(absl::IsNotFound(gone)) << gone;
  EXPECT_EQ(CodeOf(gone), "InvalidBlockList");
}

TEST_F(AzureUploadTest, WhereTheBlobCannotBeLookedAtThatIsTheError) {
  answers_ = {SayError(400, "InvalidBlockList"), SayError(403, "AuthorizationPermissionMismatch")};

  EXPECT_TRUE(absl::IsPermissionDenied(Complete().status()));
}

TEST_F(AzureUploadTest, EndingAnUploadAsksNobody) {
  EXPECT_TRUE(Run(store().AbortUpload(blob_, kUpload)).ok());
  EXPECT_THAT(*Run(store().ListUploads("con", "")), IsEmpty());
  EXPECT_EQ(asked(), 0U);
}

}  // namespace
}  // namespace fetchd::objstore
