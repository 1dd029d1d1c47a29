// The stores that a configuration makes, over the real client, before an origin that is their
// endpoint.
#include "app/object_stores.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "app/config_loader.h"
#include "app/store_policy.h"
#include "base/strings.h"
#include "support/origin.h"
#include "support/process.h"

namespace fetchd::app {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::Exchange;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class ObjectStoresTest : public ::testing::Test {
 protected:
  ObjectStoresTest() {
    endpoint_.Handle("/bucket/key", [](Exchange& exchange) {
      exchange.Respond(200, {{"ETag", "\"e\""}}, "body");
    });
  }
  ~ObjectStoresTest() override { CloseStores(); }

  std::string File(const std::string& name, const std::string& content) const {
    testing::WriteFile(folder_.path() / name, content);
    return (folder_.path() / name).string();
  }

  /// Stores of `settings`, whose environment is `environment_`. Callers may contact nothing that is
  /// not public.
  absl::Status Make(const std::vector<std::string>& settings) {
    const LoadedConfig loaded = LoadConfig({.settings = settings});
    EXPECT_THAT(loaded.errors, IsEmpty());
    EXPECT_THAT(CheckConfig(loaded.config), IsEmpty());
    client_ = std::make_unique<http::SharedClient>(
        runtime_, clock_, http::ClientConfig(),
        http::SharedClient::Policies(*egress::Policy::Create(loaded.config.egress),
                                     *egress::Policy::Create(StorePolicyOf(loaded.config))),
        *net::TlsContexts::Create({{"", net::TlsProfile()}}));
    auto made = ObjectStores::Create(
        loaded.config.stores, {.runtime = runtime_,
                               .clock = clock_,
                               .client = *client_,
                               .environment = [this](const char* name) {
                                 const auto found = environment_.find(name);
                                 return found != environment_.end() ? std::optional(found->second)
                                                                    : std::nullopt;
                               }});
    if (!made.ok()) return made.status();
    stores_ = *std::move(made);
    places_ = stores_->MakePlaces();
    return absl::OkStatus();
  }
  void CloseStores() {
    places_.clear();
    if (client_ != nullptr) client_->Close();
    stores_.reset();
    client_.reset();
  }
  /// A store "lab" at the endpoint.
  std::vector<std::string> Lab(const std::vector<std::string>& more) const {
    std::vector<std::string> settings = {Concat("stores.lab.endpoint=", endpoint_.Url("")),
                                         "stores.lab.path_style=true"};
    settings.insert(settings.end(), more.begin(), more.end());
    return settings;
  }

  absl::StatusOr<objstore::ObjectInfo> Head(std::size_t shard) {
    return runtime::RunBlocking(runtime_.shard(shard).executor(),
                                places_.front().by_shard[shard]->Head({"bucket", "key"}));
  }
  /// Whose the last request was.
  std::string Authorization() const { return endpoint_.Requests().back().Header("Authorization"); }

  const testing::TempFolder folder_;
  testing::Origin endpoint_;
  std::map<std::string, std::string, std::less<>> environment_;
  RealClock clock_;
  runtime::Runtime runtime_{{.shards = 2, .blocking_threads = 2}};
  std::unique_ptr<http::SharedClient> client_;
  std::unique_ptr<ObjectStores> stores_;
  std::vector<sink::ObjectPlace> places_;
};

TEST_F(ObjectStoresTest, APlaceSaysWhatTheConfigurationDoes) {
  const absl::Status made = Make(
      {"stores.a.buckets=[one, two]", "stores.a.part_bytes=16MiB", "stores.a.parts_in_flight=2",
       "stores.a.storage_class=STANDARD_IA", "stores.a.encryption=aws:kms", "stores.a.kms_key_id=k",
       "stores.a.cache_control=no-store", "stores.a.content_disposition=attachment",
       "stores.google.type=gs", "stores.google.credentials=environment"});

  ASSERT_TRUE(made.ok()) << made;
  ASSERT_THAT(places_, SizeIs(2));
  const sink::ObjectPlace& place = places_.front();
  EXPECT_EQ(place.name, "a");
  EXPECT_EQ(place.scheme, "s3");
  EXPECT_THAT(place.buckets, ElementsAre("one", "two"));
  EXPECT_EQ(place.part_bytes, std::uint64_t{16} << 20);
  EXPECT_EQ(place.parts_in_flight, 2);
  EXPECT_EQ(place.attributes.storage_class, "STANDARD_IA");
  EXPECT_EQ(place.attributes.encryption, "aws:kms");
  EXPECT_EQ(place.attributes.kms_key_id, "k");
  EXPECT_EQ(place.attributes.cache_control, "no-store");
  EXPECT_EQ(place.attributes.content_disposition, "attachment");
  EXPECT_THAT(place.by_shard, SizeIs(2));
  EXPECT_EQ(places_.back().scheme, "gs");
}

TEST_F(ObjectStoresTest, EachShardAsksTheEndpointWithTheStaticKeys) {
  const absl::Status made = Make(Lab(
      {"stores.lab.credentials=static", "stores.lab.access_key_id=AKID", "stores.lab.region=eu-1",
       Concat("stores.lab.secret_access_key_file=", File("secret", "s3cret\n")),
       Concat("stores.lab.session_token_file=", File("token", "tok3n\n"))}));
  ASSERT_TRUE(made.ok()) << made;

  for (const std::size_t shard : {0, 1}) {
    const auto head = Head(shard);
    ASSERT_TRUE(head.ok()) << head.status();
    EXPECT_EQ(head->etag, "\"e\"");
    EXPECT_THAT(Authorization(), HasSubstr("Credential=AKID/"));
    EXPECT_THAT(Authorization(), HasSubstr("/eu-1/s3/aws4_request"));
    EXPECT_THAT(Authorization(), Not(HasSubstr("s3cret")));
    EXPECT_EQ(endpoint_.Requests().back().Header("X-Amz-Security-Token"), "tok3n");
  }
}

TEST_F(ObjectStoresTest, KeysOfTheEnvironmentAreUsed) {
  environment_ = {{"AWS_ACCESS_KEY_ID", "ENVKEY"}, {"AWS_SECRET_ACCESS_KEY", "secret"}};
  for (const char* source : {"environment", "auto"}) {
    ASSERT_TRUE(Make(Lab({Concat("stores.lab.credentials=", source)})).ok());

    ASSERT_TRUE(Head(1).ok());
    EXPECT_THAT(Authorization(), HasSubstr("Credential=ENVKEY/")) << source;
    CloseStores();
  }
}

TEST_F(ObjectStoresTest, FileAndProfileOfTheConfigurationGoBeforeTheEnvironments) {
  environment_ = {{"AWS_SHARED_CREDENTIALS_FILE", "/nowhere"}, {"AWS_PROFILE", "other"}};
  const std::string file = File("credentials",
                                "[other]\naws_access_key_id = WRONG\naws_secret_access_key = w\n"
                                "[lab]\naws_access_key_id = FILEKEY\naws_secret_access_key = s\n");

  ASSERT_TRUE(Make(Lab({"stores.lab.credentials=file", "stores.lab.profile=lab",
                        Concat("stores.lab.credentials_file=", file)}))
                  .ok());

  const auto head = Head(0);
  ASSERT_TRUE(head.ok()) << head.status();
  EXPECT_THAT(Authorization(), HasSubstr("Credential=FILEKEY/"));
}

TEST_F(ObjectStoresTest, EachShardAsksAzureWithTheAccountsKey) {
  const absl::Status made =
      Make({"stores.lab.type=azblob", Concat("stores.lab.endpoint=", endpoint_.Url("")),
            "stores.lab.account=acct1",
            Concat("stores.lab.account_key_file=", File("key", "czNjcmV0\n"))});
  ASSERT_TRUE(made.ok()) << made;
  EXPECT_EQ(places_.front().scheme, "azblob");

  for (const std::size_t shard : {0, 1}) {
    const auto head = Head(shard);
    ASSERT_TRUE(head.ok()) << head.status();
    EXPECT_EQ(head->etag, "\"e\"");
    EXPECT_THAT(Authorization(), HasSubstr("SharedKey acct1:"));
  }
}

TEST_F(ObjectStoresTest, AFileThatHoldsNoKeyOfAzureIsSaidByItsKeyAndNotRepeated) {
  const std::pair<std::string, const char*> cases[] = {
      {Concat("stores.lab.account_key_file=", File("key", "hunter2!\n")), "is Base64"},
      {Concat("stores.lab.sas_token_file=", File("token", "hunter2\n")), "sig="},
      {"stores.lab.sas_token_file=/nowhere/token", "/nowhere/token"}};
  for (const auto& [setting, words] : cases) {
    const absl::Status made = Make({"stores.lab.type=azblob", "stores.lab.account=acct1", setting});

    EXPECT_TRUE(absl::IsFailedPrecondition(made)) << made;
    EXPECT_THAT(MessageOf(made),
                AllOf(HasSubstr(Concat(setting.substr(0, setting.find('=')), ": ")),
                      HasSubstr(words), Not(HasSubstr("hunter2"))));
    CloseStores();
  }
}

TEST_F(ObjectStoresTest, ASecretThatCannotBeReadIsSaidByItsKey) {
  const absl::Status made =
      Make(Lab({"stores.lab.credentials=static", "stores.lab.access_key_id=AKID",
                "stores.lab.secret_access_key_file=/nowhere/secret"}));

  EXPECT_TRUE(absl::IsFailedPrecondition(made)) << made;
  EXPECT_THAT(MessageOf(made), AllOf(HasSubstr("stores.lab.secret_access_key_file: "),
                                     HasSubstr("/nowhere/secret")));
}

TEST_F(ObjectStoresTest, ASourceThatIsNotThereIsSaidAtTheStart) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"stores.lab.credentials=web_identity"}, "AWS_WEB_IDENTITY_TOKEN_FILE is set"},
      {{"stores.lab.credentials=container"}, "no container with a role of its own"},
      {{"stores.lab.role_arn=arn:aws:iam::1:role/r"}, "no token to take it on with"}};
  for (const auto& [settings, missing] : cases) {
    const absl::Status made = Make(Lab(settings));

    EXPECT_TRUE(absl::IsFailedPrecondition(made)) << made;
    EXPECT_THAT(MessageOf(made), AllOf(HasSubstr("stores.lab.credentials: "), HasSubstr(missing)));
    CloseStores();
  }
}

TEST_F(ObjectStoresTest, ThePlacesEndpointIsNoWayInForCallers) {
  environment_ = {{"AWS_ACCESS_KEY_ID", "ENVKEY"}, {"AWS_SECRET_ACCESS_KEY", "secret"}};
  ASSERT_TRUE(Make(Lab({"stores.lab.credentials=environment"})).ok());
  ASSERT_TRUE(Head(0).ok());
  const std::size_t before = endpoint_.Requests().size();

  const auto answer = runtime::RunBlocking(
      runtime_.shard(0).executor(),
      client_->ForShard(0).Send(http::Request(*Url::Parse(endpoint_.Url("/bucket/key"))), {}));

  EXPECT_TRUE(absl::IsPermissionDenied(answer.status())) << answer.status();
  EXPECT_EQ(endpoint_.Requests().size(), before);
}

TEST(AzureConfigOfTest, WhatIsSaidIsPassedOn) {
  const StoreSettings settings{.type = StoreType::kAzblob,
                               .endpoint = "https://e.example/acct1",
                               .tls_profile = "lab",
                               .account = "acct1",
                               .checksum = StoreChecksum::kMd5};
  const auto config = AzureConfigOf("a", settings);
  const auto plain = AzureConfigOf("a", {.type = StoreType::kAzblob, .account = "acct1"});

  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->endpoint->ToString(), "https://e.example/acct1");
  EXPECT_EQ(config->tls_profile, "lab");
  EXPECT_TRUE(config->content_md5);
  EXPECT_FALSE(plain->endpoint);
  EXPECT_FALSE(plain->content_md5);
  EXPECT_TRUE(absl::IsFailedPrecondition(AzureConfigOf("a", {}).status()));
}

TEST(S3ConfigOfTest, AmazonsOwnEndpointIsLeftToTheBucketsRegion) {
  const auto config = S3ConfigOf("a", {.region = "eu-west-3"});

  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_FALSE(config->endpoint);
  EXPECT_EQ(config->region, "eu-west-3");
  EXPECT_TRUE(config->features.conditional_put);
  EXPECT_TRUE(config->features.conditional_complete);
  EXPECT_EQ(config->payload, objstore::PayloadSigning::kSha256);
}

TEST(S3ConfigOfTest, GooglesEndpointIsOneAndHasNoConditions) {
  const auto config = S3ConfigOf("g", {.type = StoreType::kGs});

  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->endpoint->host(), "storage.googleapis.com");
  EXPECT_EQ(config->region, "auto");
  EXPECT_FALSE(config->features.conditional_put);
  EXPECT_FALSE(config->features.conditional_complete);
}

TEST(S3ConfigOfTest, WhatIsSaidOfBytesAndConditionsIsPassedOn) {
  const auto crc32c = S3ConfigOf("a", {.endpoint = "https://ceph.example",
                                       .signs_payload = false,
                                       .checksum = StoreChecksum::kCrc32c,
                                       .conditional_writes = ConditionalWrites::kPut});
  const auto md5 = S3ConfigOf("a", {.tls_profile = "lab", .checksum = StoreChecksum::kMd5});

  EXPECT_EQ(crc32c->payload, objstore::PayloadSigning::kUnsigned);
  EXPECT_EQ(crc32c->checksum, objstore::Checksum::kCrc32c);
  EXPECT_FALSE(crc32c->content_md5);
  EXPECT_TRUE(crc32c->features.conditional_put);
  EXPECT_FALSE(crc32c->features.conditional_complete);
  EXPECT_EQ(md5->checksum, objstore::Checksum::kNone);
  EXPECT_TRUE(md5->content_md5);
  EXPECT_EQ(md5->tls_profile, "lab");
}

}  // namespace
}  // namespace fetchd::app
