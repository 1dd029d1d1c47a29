#include "app/store_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "app/config_loader.h"
#include "base/strings.h"

namespace fetchd::app {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

namespace ip = boost::asio::ip;

struct BothPolicies {
  std::shared_ptr<const egress::Policy> callers, stores;
};

BothPolicies PoliciesOf(const std::vector<std::string>& settings) {
  const LoadedConfig loaded = LoadConfig({.settings = settings});
  EXPECT_THAT(loaded.errors, IsEmpty());
  EXPECT_THAT(CheckConfig(loaded.config), IsEmpty());
  auto callers = egress::Policy::Create(loaded.config.egress);
  auto stores = egress::Policy::Create(StorePolicyOf(loaded.config));
  EXPECT_TRUE(stores.ok()) << stores.status();
  return {*callers, *stores};
}

bool Admits(const egress::Policy& policy, const std::string& url) {
  return policy.JudgeUrl(*Url::Parse(url)).allowed();
}
bool Connects(const egress::Policy& policy, const std::string& address, std::uint16_t port,
              const std::string& host) {
  return policy.JudgeAddress(ip::make_address(address), port, host).allowed();
}

TEST(StorePolicyTest, WithoutStoresItIsThatOfCallers) {
  const LoadedConfig loaded = LoadConfig({.settings = {"egress.allow=[10.0.0.0/8]"}});

  EXPECT_THAT(StorePolicyOf(loaded.config).allow, ElementsAre("10.0.0.0/8"));
  EXPECT_EQ(StorePolicyOf(loaded.config).ports, loaded.config.egress.ports);
}

TEST(StorePolicyTest, AnAddressIsOpenOnItsPortToTheStoreAndToNobodyElse) {
  for (const std::string address : {"127.0.0.1", "[::1]", "10.1.2.3"}) {
    const BothPolicies policies =
        PoliciesOf({"stores.lab.endpoint=http://" + address + ":9000", "stores.lab.path_style=true",
                    "stores.lab.credentials=environment"});

    EXPECT_TRUE(Admits(*policies.stores, "http://" + address + ":9000/")) << address;
    EXPECT_FALSE(Admits(*policies.stores, "http://" + address + ":9001/")) << address;
    EXPECT_FALSE(Admits(*policies.stores, "http://10.1.2.4:9000/")) << address;
    EXPECT_FALSE(Admits(*policies.callers, "http://" + address + ":9000/")) << address;
  }
}

TEST(StorePolicyTest, ANameIsOpenOnItsPortOnPrivateNetworksToo) {
  const BothPolicies policies = PoliciesOf(
      {"stores.lab.endpoint=http://minio.storage.svc:9000", "stores.lab.credentials=environment"});
  const std::string host = "minio.storage.svc";

  EXPECT_TRUE(Admits(*policies.stores, "http://minio.storage.svc:9000/"));
  EXPECT_TRUE(Admits(*policies.stores, "http://bucket.minio.storage.svc:9000/"));
  for (const char* address : {"10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd12::1"}) {
    EXPECT_TRUE(Connects(*policies.stores, address, 9000, host)) << address;
    EXPECT_FALSE(Connects(*policies.stores, address, 80, host)) << address;
    EXPECT_FALSE(Connects(*policies.callers, address, 9000, host)) << address;
  }
  EXPECT_TRUE(Connects(*policies.stores, "93.184.216.34", 9000, host));
  EXPECT_FALSE(Admits(*policies.callers, "http://minio.storage.svc:9000/"));
}

TEST(StorePolicyTest, AnAccountOfAzureIsOpenAndNothingBelowItsName) {
  const BothPolicies policies =
      PoliciesOf({"stores.a.type=azblob", "stores.a.account=acct1", "stores.a.sas_token_file=/t"});
  const std::string host = "acct1.blob.core.windows.net";

  EXPECT_TRUE(Admits(*policies.stores, "https://acct1.blob.core.windows.net/"));
  // A private endpoint.
  EXPECT_TRUE(Connects(*policies.stores, "10.1.2.3", 443, host));
  EXPECT_FALSE(Connects(*policies.stores, "169.254.169.254", 80, "169.254.169.254"));
  EXPECT_FALSE(Connects(*policies.callers, "10.1.2.3", 443, host));
  const LoadedConfig loaded =
      LoadConfig({.settings = {"stores.a.type=azblob", "stores.a.account=acct1"}});
  EXPECT_THAT(StorePolicyOf(loaded.config).allow, Not(Contains("*." + host + ":443")));
}

TEST(StorePolicyTest, WhatIsDeniedIsDeniedToCallers) {
  const BothPolicies policies =
      PoliciesOf({"stores.lab.endpoint=http://93.184.216.34:9000", "stores.lab.path_style=true",
                  "stores.lab.credentials=environment", "egress.deny=[93.184.216.0/24]",
                  "egress.allow=[\"93.184.216.34/32:9000\"]"});

  EXPECT_TRUE(Admits(*policies.stores, "http://93.184.216.34:9000/"));
  EXPECT_FALSE(Admits(*policies.callers, "http://93.184.216.34:9000/"));
}

TEST(StorePolicyTest, ANameLeadsNeitherToThisMachineNorToItsMetadata) {
  const BothPolicies policies = PoliciesOf(
      {"stores.lab.endpoint=http://minio.corp.example", "stores.lab.credentials=environment"});
  const std::string host = "minio.corp.example";

  for (const char* address : {"127.0.0.1", "::1", "0.0.0.0", "169.254.169.254", "169.254.170.2",
                              "169.254.170.23", "100.100.100.200", "fd00:ec2::254", "fe80::1"}) {
    EXPECT_FALSE(Connects(*policies.stores, address, 80, host)) << address;
  }
}

TEST(StorePolicyTest, PathStyleNeedsNoNamesBelowTheEndpoint) {
  const BothPolicies policies =
      PoliciesOf({"stores.lab.endpoint=http://minio.internal:9000", "stores.lab.path_style=true",
                  "stores.lab.credentials=environment"});

  EXPECT_TRUE(Admits(*policies.stores, "http://minio.internal:9000/"));
  EXPECT_FALSE(Admits(*policies.stores, "http://bucket.minio.internal:9000/"));
}

TEST(StorePolicyTest, LocalhostIsThisMachine) {
  const BothPolicies policies = PoliciesOf(
      {"stores.lab.endpoint=http://localhost:9000", "stores.lab.credentials=environment"});

  EXPECT_TRUE(Admits(*policies.stores, "http://localhost:9000/"));
  EXPECT_TRUE(Connects(*policies.stores, "127.0.0.1", 9000, "localhost"));
  EXPECT_TRUE(Connects(*policies.stores, "::1", 9000, "localhost"));
  EXPECT_FALSE(Connects(*policies.stores, "10.0.0.1", 9000, "localhost"));
  EXPECT_FALSE(Admits(*policies.callers, "http://localhost:9000/"));
}

TEST(StorePolicyTest, AmazonsEndpointIsOpenWhereThePortIsNot) {
  const BothPolicies policies = PoliciesOf(
      {"egress.ports=[8080]", "stores.aws.region=eu-west-3", "stores.aws.credentials=environment"});

  for (const char* host : {"s3.eu-west-3.amazonaws.com", "bucket.s3.eu-west-3.amazonaws.com"}) {
    EXPECT_TRUE(Admits(*policies.stores, Concat("https://", host, "/")));
    EXPECT_TRUE(Connects(*policies.stores, "93.184.216.34", 443, host));
    EXPECT_FALSE(Connects(*policies.callers, "93.184.216.34", 443, host));
  }
  EXPECT_FALSE(Connects(*policies.stores, "93.184.216.34", 443, "example.org"));
}

struct SourceCase {
  const char* source;
  bool instance, container, sts;
};

TEST(StorePolicyTest, WhatHandsOutKeysIsOpenWhereTheyMayComeFromIt) {
  const SourceCase cases[] = {
      {"auto", true, true, true},        {"instance", true, false, false},
      {"container", false, true, false}, {"web_identity", false, false, true},
      {"file", false, false, false},     {"environment", false, false, false}};
  for (const auto& [source, instance, container, sts] : cases) {
    const BothPolicies policies =
        PoliciesOf({"egress.ports=[8080]", std::string("stores.aws.credentials=") + source});

    EXPECT_EQ(Admits(*policies.stores, "http://169.254.169.254/"), instance) << source;
    EXPECT_EQ(Admits(*policies.stores, "http://169.254.170.2/"), container) << source;
    EXPECT_EQ(Admits(*policies.stores, "http://169.254.170.23/"), container) << source;
    EXPECT_EQ(Admits(*policies.stores, "http://[fd00:ec2::23]/"), container) << source;
    EXPECT_EQ(Connects(*policies.stores, "93.184.216.34", 443, "sts.us-east-1.amazonaws.com"), sts)
        << source;
    EXPECT_FALSE(Admits(*policies.stores, "http://169.254.169.254:8080/")) << source;
    EXPECT_FALSE(Admits(*policies.callers, "http://169.254.169.254/")) << source;
    EXPECT_FALSE(Admits(*policies.callers, "http://169.254.170.2/")) << source;
  }
}

TEST(StorePolicyTest, MetadataServicesOfNoStoreAreNobodys) {
  EXPECT_THAT(MetadataAddressesOf({}), IsEmpty());
  EXPECT_THAT(MetadataAddressesOf({{"a", {.credentials = StoreCredentials::kInstance}}}),
              ElementsAre("169.254.169.254/32"));
}

TEST(StorePolicyTest, TheKeysOfTheIdentityProviderAreOpenOnTheirPortAndToNobodyElse) {
  const BothPolicies policies = PoliciesOf({"callers.jwt.keys=http://127.0.0.1:9000/jwks",
                                            "callers.jwt.issuer=i", "callers.jwt.audience=a"});

  EXPECT_TRUE(Connects(*policies.stores, "127.0.0.1", 9000, "127.0.0.1"));
  EXPECT_FALSE(Connects(*policies.stores, "127.0.0.1", 9001, "127.0.0.1"));
  EXPECT_FALSE(Connects(*policies.callers, "127.0.0.1", 9000, "127.0.0.1"));
}

}  // namespace
}  // namespace fetchd::app
