#include "app/store_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "app/config_loader.h"
#include "support/process.h"

namespace fetchd::app {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class StoreConfigTest : public ::testing::Test {
 protected:
  LoadedConfig LoadFile(const std::string& yaml) const {
    testing::WriteFile(folder_.path() / "fetchd.yaml", yaml);
    return LoadConfig({.file = (folder_.path() / "fetchd.yaml").string()});
  }
  /// What is wrong with a file that can be read.
  std::vector<std::string> ErrorsIn(const std::string& yaml) const {
    const LoadedConfig loaded = LoadFile(yaml);
    EXPECT_THAT(loaded.errors, IsEmpty());
    return CheckConfig(loaded.config);
  }

  const testing::TempFolder folder_;
};

constexpr char kEverything[] = R"(
tls: {profiles: {corp: {ca_file: /etc/corp.pem}}}
stores:
  minio-1:
    type: s3
    endpoint: https://minio.corp.example:9000
    region: eu-central-1
    buckets: [backups, "team.reports"]
    path_style: true
    tls_profile: corp
    credentials: static
    access_key_id: AKIDEXAMPLE
    secret_access_key_file: /run/secrets/key
    session_token_file: /run/secrets/token
    payload_signing: unsigned
    checksum: crc32c
    conditional_writes: put
    part_bytes: 16MiB
    parts_in_flight: 2
    storage_class: STANDARD_IA
    encryption: aws:kms
    kms_key_id: alias/backups
    cache_control: no-store
    content_disposition: attachment
  google: {type: gs, credentials: file, credentials_file: /etc/gs, profile: hmac}
  azure:
    type: azblob
    account: acct1
    account_key_file: /run/secrets/azure
    checksum: md5
    storage_class: Cool
  irsa:
    buckets: [other]
    credentials: web_identity
    role_arn: "arn:aws:iam::123456789012:role/fetchd"
    web_identity_token_file: /var/run/token
)";

TEST_F(StoreConfigTest, NothingGivenIsNoStore) {
  const LoadedConfig loaded = LoadConfig({});

  EXPECT_THAT(loaded.config.stores, IsEmpty());
  EXPECT_THAT(PrintConfig(loaded.config), Not(HasSubstr("stores:")));
}

TEST_F(StoreConfigTest, ANameAloneIsAmazonsStore) {
  const LoadedConfig loaded = LoadConfig({.settings = {"stores.aws.type=s3"}});

  EXPECT_THAT(loaded.errors, IsEmpty());
  EXPECT_THAT(CheckConfig(loaded.config), IsEmpty());
  const StoreSettings& store = loaded.config.stores.at("aws");
  EXPECT_EQ(RegionOf(store), "us-east-1");
  EXPECT_EQ(EndpointOf(store)->ToString(), "https://s3.us-east-1.amazonaws.com/");
  EXPECT_EQ(store.credentials, StoreCredentials::kAuto);
  EXPECT_EQ(ConditionalWritesOf(store), ConditionalWrites::kAll);
  EXPECT_TRUE(store.signs_payload);
  EXPECT_EQ(store.checksum, StoreChecksum::kNone);
  EXPECT_EQ(store.part_bytes, std::uint64_t{8} << 20);
  EXPECT_EQ(store.parts_in_flight, 4u);
}

TEST_F(StoreConfigTest, EachKeyIsRead) {
  const LoadedConfig loaded = LoadFile(kEverything);

  ASSERT_THAT(loaded.errors, IsEmpty());
  EXPECT_THAT(CheckConfig(loaded.config), IsEmpty());
  const StoreSettings& minio = loaded.config.stores.at("minio-1");
  EXPECT_EQ(EndpointOf(minio)->host(), "minio.corp.example");
  EXPECT_EQ(RegionOf(minio), "eu-central-1");
  EXPECT_THAT(minio.buckets, ElementsAre("backups", "team.reports"));
  EXPECT_TRUE(minio.path_style);
  EXPECT_EQ(minio.tls_profile, "corp");
  EXPECT_EQ(minio.credentials, StoreCredentials::kStatic);
  EXPECT_EQ(minio.access_key_id, "AKIDEXAMPLE");
  EXPECT_EQ(minio.secret_access_key_file, "/run/secrets/key");
  EXPECT_EQ(minio.session_token_file, "/run/secrets/token");
  EXPECT_FALSE(minio.signs_payload);
  EXPECT_EQ(minio.checksum, StoreChecksum::kCrc32c);
  EXPECT_EQ(ConditionalWritesOf(minio), ConditionalWrites::kPut);
  EXPECT_EQ(minio.part_bytes, std::uint64_t{16} << 20);
  EXPECT_EQ(minio.parts_in_flight, 2u);
  EXPECT_EQ(minio.storage_class, "STANDARD_IA");
  EXPECT_EQ(minio.encryption, "aws:kms");
  EXPECT_EQ(minio.kms_key_id, "alias/backups");
  EXPECT_EQ(minio.cache_control, "no-store");
  EXPECT_EQ(minio.content_disposition, "attachment");

  const StoreSettings& google = loaded.config.stores.at("google");
  EXPECT_EQ(EndpointOf(google)->ToString(), "https://storage.googleapis.com/");
  EXPECT_EQ(RegionOf(google), "auto");
  EXPECT_EQ(google.credentials_file, "/etc/gs");
  EXPECT_EQ(google.profile, "hmac");
  EXPECT_EQ(ConditionalWritesOf(google), ConditionalWrites::kNone);

  const StoreSettings& azure = loaded.config.stores.at("azure");
  EXPECT_EQ(EndpointOf(azure)->ToString(), "https://acct1.blob.core.windows.net/");
  EXPECT_EQ(azure.account_key_file, "/run/secrets/azure");
  EXPECT_EQ(ConditionalWritesOf(azure), ConditionalWrites::kAll);
  EXPECT_FALSE(MayAsk(azure, StoreCredentials::kInstance));

  const StoreSettings& irsa = loaded.config.stores.at("irsa");
  EXPECT_EQ(irsa.role_arn, "arn:aws:iam::123456789012:role/fetchd");
  EXPECT_EQ(irsa.web_identity_token_file, "/var/run/token");
}

TEST_F(StoreConfigTest, WhatIsPrintedIsReadBack) {
  const std::string printed = PrintConfig(LoadFile(kEverything).config);

  const LoadedConfig again = LoadFile(printed);

  EXPECT_THAT(again.errors, IsEmpty());
  EXPECT_EQ(PrintConfig(again.config), printed);
  EXPECT_THAT(printed, HasSubstr("  \"minio-1\":\n"));
  EXPECT_THAT(printed, HasSubstr("    buckets: [\"backups\", \"team.reports\"]\n"));
  EXPECT_THAT(printed, HasSubstr("    payload_signing: unsigned\n"));
  EXPECT_THAT(printed, HasSubstr("    credentials: web_identity\n"));
}

TEST_F(StoreConfigTest, VariablesAndSettingsOverrideTheFile) {
  testing::WriteFile(folder_.path() / "fetchd.yaml",
                     "tls: {profiles: {lab: {ca_file: /c}}}\n"
                     "stores: {lab: {region: a, part_bytes: 5MiB, tls_profile: none}}\n");

  const LoadedConfig loaded = LoadConfig(
      {.file = (folder_.path() / "fetchd.yaml").string(),
       .environment = {"FETCHD_STORES_LAB_REGION=b", "FETCHD_STORES_LAB_TLS_PROFILE=lab",
                       "FETCHD_STORES_LAB_PROFILE=tests", "FETCHD_STORES_LAB_PART_BYTES=6MiB"},
       .settings = {"stores.lab.part_bytes=7MiB", "stores.lab.buckets=[one, two]"}});

  EXPECT_THAT(loaded.errors, IsEmpty());
  const StoreSettings& store = loaded.config.stores.at("lab");
  EXPECT_EQ(store.region, "b");
  EXPECT_EQ(store.tls_profile, "lab");
  EXPECT_EQ(store.profile, "tests");
  EXPECT_EQ(store.part_bytes, std::uint64_t{7} << 20);
  EXPECT_THAT(store.buckets, ElementsAre("one", "two"));
}

TEST_F(StoreConfigTest, OtherRegionsOfAmazonHaveOtherNames) {
  EXPECT_EQ(EndpointOf({.region = "eu-west-3"})->host(), "s3.eu-west-3.amazonaws.com");
  EXPECT_EQ(EndpointOf({.region = "cn-north-1"})->host(), "s3.cn-north-1.amazonaws.com.cn");
}

TEST_F(StoreConfigTest, AnotherEndpointIsNotTrustedWithConditions) {
  EXPECT_EQ(ConditionalWritesOf({.endpoint = "https://ceph.example"}), ConditionalWrites::kNone);
}

TEST_F(StoreConfigTest, AllThatIsWrongIsSaidAtOnceWithItsLine) {
  const LoadedConfig loaded = LoadFile(
      "stores:\n"
      "  a:\n"
      "    type: ftp\n"
      "    credentials: anonymous\n"
      "    part_byte: 8MiB\n");

  EXPECT_THAT(loaded.errors,
              ElementsAre(AllOf(HasSubstr("fetchd.yaml:3: stores.a.type: "),
                                HasSubstr("expects s3 | gs | azblob")),
                          AllOf(HasSubstr("fetchd.yaml:4: stores.a.credentials: anonymous: "),
                                HasSubstr("never open to everybody")),
                          AllOf(HasSubstr("fetchd.yaml:5: stores.a.part_byte: unknown key"),
                                HasSubstr("stores.<name>.part_bytes"))));
}

struct WrongSetting {
  const char* name;
  const char* setting;
  const char* complaint;
  friend void PrintTo(const WrongSetting& wrong, std::ostream* out) { *out << wrong.setting; }
};
class WrongStoreSettingTest : public ::testing::TestWithParam<WrongSetting> {};

TEST_P(WrongStoreSettingTest, SaysWhatToWrite) {
  const LoadedConfig loaded = LoadConfig({.settings = {GetParam().setting}});

  EXPECT_THAT(loaded.errors, ElementsAre(HasSubstr(GetParam().complaint)));
}

INSTANTIATE_TEST_SUITE_P(
    Each, WrongStoreSettingTest,
    ::testing::Values(
        WrongSetting{"Type", "stores.a.type=ftp", "expects s3 | gs | azblob"},
        WrongSetting{"Credentials", "stores.a.credentials=secret",
                     "expects auto | static | environment | file | web_identity | container | "
                     "instance"},
        WrongSetting{"NameInCapitals", "stores.Backup.type=s3", "1 to 63 of a-z, 0-9 and '-'"},
        WrongSetting{"NameWithADot", "stores.a.b.type=s3", "1 to 63 of a-z, 0-9 and '-'"},
        WrongSetting{"EndpointIsNoUrl", "stores.a.endpoint=minio:9000", "stores.a.endpoint: "},
        WrongSetting{"EndpointWithAQuery", "stores.a.endpoint=https://e.example/?x=1",
                     "must have no query"},
        WrongSetting{"Region", "stores.a.region=eu/central", "such as eu-central-1"},
        WrongSetting{"BucketsIsNoList", "stores.a.buckets=backups", "expects a list"},
        WrongSetting{"BucketWithASlash", "stores.a.buckets=[a/bc]", "\"a/bc\" is no bucket"},
        WrongSetting{"BucketTooShort", "stores.a.buckets=[ab]", "3 to 255"},
        WrongSetting{"PathStyle", "stores.a.path_style=maybe", "expects true or false"},
        WrongSetting{"Signing", "stores.a.payload_signing=md5", "expects sha256 | unsigned"},
        WrongSetting{"Checksum", "stores.a.checksum=sha1", "expects none | crc32c | md5"},
        WrongSetting{"Conditions", "stores.a.conditional_writes=yes",
                     "expects auto | all | put | none"},
        WrongSetting{"PartsTooSmall", "stores.a.part_bytes=5242879", "must be 5MiB to 1GiB"},
        WrongSetting{"PartsTooLarge", "stores.a.part_bytes=1025MiB", "must be 5MiB to 1GiB"},
        WrongSetting{"NoParts", "stores.a.parts_in_flight=0", "from 1 to 16"},
        WrongSetting{"TooManyParts", "stores.a.parts_in_flight=17", "from 1 to 16"},
        WrongSetting{"Encryption", "stores.a.encryption=rot13", "expects AES256, aws:kms"},
        WrongSetting{"HeaderText", "stores.a.cache_control=\"a\\nb\"", "printable ASCII"},
        WrongSetting{"StorageClass", "stores.a.storage_class=K\u00c4LTE", "printable ASCII"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(StoreConfigTest, StaticKeysAreWholeOrNotThere) {
  EXPECT_THAT(ErrorsIn("stores: {a: {credentials: static}}"),
              ElementsAre("stores.a.access_key_id: credentials: static needs it",
                          "stores.a.secret_access_key_file: credentials: static needs it"));
  EXPECT_THAT(ErrorsIn("stores: {a: {access_key_id: K, session_token_file: /t}}"),
              ElementsAre("stores.a.access_key_id: is of use with credentials: static only",
                          "stores.a.session_token_file: is of use with credentials: static only"));
}

TEST_F(StoreConfigTest, WhatHasNoUseIsAnError) {
  EXPECT_THAT(ErrorsIn("stores: {a: {credentials: instance, profile: p, credentials_file: /c}}"),
              ElementsAre(HasSubstr("stores.a.credentials_file: is of use with credentials: file"),
                          HasSubstr("stores.a.profile: is of use with credentials: file")));
  EXPECT_THAT(
      ErrorsIn("stores: {a: {credentials: file, role_arn: r, web_identity_token_file: /t}}"),
      ElementsAre(HasSubstr("stores.a.role_arn: is of use with credentials: web_identity"),
                  HasSubstr("stores.a.web_identity_token_file: is of use with credentials: web_")));
  EXPECT_THAT(ErrorsIn("stores: {a: {encryption: AES256, kms_key_id: k}}"),
              ElementsAre("stores.a.kms_key_id: is of no use without encryption: aws:kms"));
}

TEST_F(StoreConfigTest, GooglesStoreTakesHmacKeysAndNoConditions) {
  EXPECT_THAT(
      ErrorsIn("stores: {a: {type: gs, conditional_writes: all, checksum: crc32c}}"),
      ElementsAre(HasSubstr("stores.a.credentials: Google's store takes HMAC keys: write "
                            "static, environment or file"),
                  HasSubstr("stores.a.checksum: "), HasSubstr("stores.a.conditional_writes: ")));
  EXPECT_THAT(ErrorsIn("stores: {a: {type: gs, credentials: environment}}"), IsEmpty());
}

TEST_F(StoreConfigTest, AzuresStoreHasAnAccountAndOneWayIn) {
  EXPECT_THAT(ErrorsIn("stores: {a: {type: azblob, account: acct1, sas_token_file: /t}}"),
              IsEmpty());
  EXPECT_THAT(ErrorsIn("stores: {a: {type: azblob, account: acct1, account_key_file: /k, "
                       "endpoint: 'http://127.0.0.1:10000/acct1'}}"),
              IsEmpty());
  EXPECT_THAT(ErrorsIn("stores: {a: {type: azblob, account: Acct_1}}"),
              ElementsAre("stores.a.account: type: azblob needs it: 3 to 24 lower-case letters and "
                          "digits",
                          "stores.a.account_key_file: type: azblob needs it, or sas_token_file"));
  EXPECT_THAT(ErrorsIn("stores: {a: {type: azblob, account: acct1, account_key_file: /k, "
                       "sas_token_file: /t}}"),
              ElementsAre(HasSubstr("stores.a.sas_token_file: is of no use beside")));
  EXPECT_THAT(ErrorsIn("stores: {a: {type: azblob, account: acct1, sas_token_file: /t, "
                       "endpoint: 'http://127.0.0.1:10000/acct1'}}"),
              ElementsAre(HasSubstr("stores.a.sas_token_file: needs an https endpoint")));
}

TEST_F(StoreConfigTest, WhatIsAnothersStoreHasNoUseForAzures) {
  EXPECT_THAT(
      ErrorsIn(
          "stores: {a: {type: azblob, account: acct1, account_key_file: /k, region: x, "
          "path_style: true, credentials: instance, access_key_id: K, profile: p, role_arn: r, "
          "secret_access_key_file: /s, session_token_file: /t, credentials_file: /c, "
          "web_identity_token_file: /w, payload_signing: unsigned}}"),
      ElementsAre("stores.a.region: is of no use with type: azblob", HasSubstr("a.path_style: "),
                  HasSubstr("a.credentials: "), HasSubstr("a.access_key_id: "),
                  HasSubstr("a.secret_access_key_file: "), HasSubstr("a.session_token_file: "),
                  HasSubstr("a.credentials_file: "), HasSubstr("a.profile: "),
                  HasSubstr("a.role_arn: "), HasSubstr("a.web_identity_token_file: "),
                  HasSubstr("a.payload_signing: ")));
  EXPECT_THAT(
      ErrorsIn("stores: {a: {type: azblob, account: acct1, account_key_file: /k, checksum: crc32c, "
               "conditional_writes: put, encryption: aws:kms, kms_key_id: k}}"),
      ElementsAre(HasSubstr("stores.a.checksum: Azure's store does not know it"),
                  HasSubstr("stores.a.conditional_writes: Azure's store has them all"),
                  HasSubstr("stores.a.encryption: Azure encrypts all blobs"),
                  HasSubstr("stores.a.kms_key_id: ")));
  EXPECT_THAT(ErrorsIn("stores: {a: {account: x, account_key_file: /k, sas_token_file: /t}}"),
              ElementsAre("stores.a.account: is of use with type: azblob only",
                          HasSubstr("stores.a.account_key_file: "),
                          HasSubstr("stores.a.sas_token_file: ")));
}

TEST_F(StoreConfigTest, AnAddressTakesNoBucketInFront) {
  EXPECT_THAT(ErrorsIn("stores: {a: {endpoint: 'https://10.0.0.7:9000'}}"),
              ElementsAre("stores.a.path_style: must be true with the endpoint 10.0.0.7: a "
                          "bucket's name cannot stand before an address"));
  EXPECT_THAT(ErrorsIn("stores: {a: {endpoint: 'https://[fd00::7]:9000', path_style: true}}"),
              IsEmpty());
}

TEST_F(StoreConfigTest, BucketsThatNoHostNameCanHoldNeedPathStyle) {
  EXPECT_THAT(ErrorsIn("stores: {a: {buckets: [Upper, under_score, fine]}}"),
              ElementsAre(HasSubstr("stores.a.buckets: \"Upper\" cannot be part of a host name"),
                          HasSubstr("\"under_score\"")));
  EXPECT_THAT(ErrorsIn("stores: {a: {buckets: [Upper], path_style: true}}"), IsEmpty());
}

TEST_F(StoreConfigTest, UnsignedBytesNeedTls) {
  EXPECT_THAT(ErrorsIn("stores: {a: {endpoint: 'http://ceph.example', payload_signing: unsigned}}"),
              ElementsAre(HasSubstr("stores.a.payload_signing: unsigned needs an https endpoint")));
}

TEST_F(StoreConfigTest, ProfilesOfTlsAreThereAndOfUse) {
  EXPECT_THAT(ErrorsIn("stores: {a: {tls_profile: lab}}"),
              ElementsAre("stores.a.tls_profile: there is no tls.profiles.lab"));
  EXPECT_THAT(ErrorsIn("tls: {profiles: {lab: {ca_file: /c}}}\n"
                       "stores: {a: {endpoint: 'http://ceph.example', tls_profile: lab}}"),
              ElementsAre(HasSubstr("stores.a.tls_profile: only an https endpoint")));
}

TEST_F(StoreConfigTest, EachBucketHasOneStore) {
  EXPECT_THAT(ErrorsIn("stores: {a: {region: x}, b: {region: y}}"),
              ElementsAre("stores.b.buckets: serves every bucket of s3:// destinations, and so "
                          "does stores.a: list in one of them which buckets are its"));
  EXPECT_THAT(ErrorsIn("stores: {a: {buckets: [one, two]}, b: {buckets: [two]}}"),
              ElementsAre(HasSubstr("stores.b.buckets: serves s3://two, and so does stores.a")));
  EXPECT_THAT(ErrorsIn("stores: {a: {buckets: [one]}, b: {region: y}, "
                       "c: {type: gs, credentials: file}}"),
              IsEmpty());
}

TEST_F(StoreConfigTest, PartsInFlightFitIntoHalfOfTheBuffers) {
  EXPECT_THAT(
      ErrorsIn("limits: {buffer_bytes: 64MiB, transfers: 16}\nstores: {a: {part_bytes: 8MiB}}"),
      ElementsAre("stores.a.part_bytes: one upload holds 8MiB x 5 = 40MiB (parts_in_flight 4 and "
                  "the one that fills), which is more than half of limits.buffer_bytes (64MiB): "
                  "lower part_bytes or parts_in_flight, or raise limits.buffer_bytes to 80MiB"));
  EXPECT_THAT(
      ErrorsIn("limits: {buffer_bytes: 80MiB, transfers: 16}\nstores: {a: {part_bytes: 8MiB}}"),
      IsEmpty());
}

// Of which three quarters may wait for others.
TEST_F(StoreConfigTest, WhoReadsHasMemoryBesideTheParts) {
  const std::string stores = "\nstores: {a: {part_bytes: 5MiB, parts_in_flight: 1}}";
  EXPECT_THAT(ErrorsIn("limits: {buffer_bytes: 64MiB, transfers: 65}" + stores),
              ElementsAre("limits.buffer_bytes: with stores.<name> each of limits.transfers (65) "
                          "takes 1MiB of it: raise it to 65MiB, or lower limits.transfers"));
  EXPECT_THAT(ErrorsIn("limits: {buffer_bytes: 64MiB, transfers: 64}" + stores), IsEmpty());
  EXPECT_THAT(ErrorsIn("limits: {buffer_bytes: 64MiB, transfers: 65}"), IsEmpty());
}

TEST_F(StoreConfigTest, EachStoreHasPlacesForTheConnectionsOfOneObject) {
  EXPECT_EQ(ConnectionsFor({}), 0u);
  EXPECT_EQ(ConnectionsFor({{"a", {.parts_in_flight = 3}}, {"b", {}}}), 7u);
}

TEST_F(StoreConfigTest, AStoreWithoutTlsIsRemarked) {
  const LoadedConfig loaded = LoadConfig(
      {.settings = {"stores.a.endpoint=http://ceph.example:7480", "stores.b.buckets=[one]"}});

  EXPECT_THAT(WarningsAbout(loaded.config),
              ElementsAre(HasSubstr("stores.a.endpoint: http://ceph.example:7480 is spoken to "
                                    "without TLS")));
}

}  // namespace
}  // namespace fetchd::app
