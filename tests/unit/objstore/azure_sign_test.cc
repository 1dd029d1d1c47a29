#include "objstore/azure_sign.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"

namespace fetchd::objstore {
namespace {

using ::testing::HasSubstr;

/// What .NET's client for storage sent, and what the service then took: from the tests of
/// Microsoft's Dash.
struct Vector {
  const char* name;
  std::vector<http::Header> headers;
  const char* signature;
};

class SharedKeyVectorTest : public ::testing::TestWithParam<Vector> {};

TEST_P(SharedKeyVectorTest, SignsAsThereIsSigned) {
  const Secret key(*Base64Decode(
      "8jqRVtXUWiEthgIhR+dFwrB8gh3lFuquvJQ1v4eabObIj7okI1cZIuzY8zZHmEdpcC0f+XlUkbFwAhjTfyrLIg=="));
  SharedKeyRequest request{"PUT", "/test/test.txt", "", GetParam().headers, 423};
  request.headers.push_back({"Content-MD5", "LHmMkMS8mTXh0bRP4e4Ptw=="});
  request.headers.push_back({"x-ms-version", "2014-02-14"});
  request.headers.push_back({"x-ms-blob-type", "BlockBlob"});
  request.headers.push_back({"Host", "dashstorage1.blob.core.windows.net"});

  EXPECT_EQ(SharedKeyAuthorization("dashstorage1", key, request),
            Concat("SharedKey dashstorage1:", GetParam().signature));
}

INSTANTIATE_TEST_SUITE_P(
    All, SharedKeyVectorTest,
    ::testing::Values(Vector{"HeadersThatAreNotSigned",
                             {{"x-ms-client-request-id", "TestRequest1"},
                              {"x-ms-date", "Thu, 30 Oct 2014 19:48:43 GMT"},
                              {"x-ms-test", "testvalue"},
                              {"x-test", "differentvalue"}},
                             "ktMmzuta7Wsqtzyd3TBbd3zW4miedtJPkWWlW9DCRb0="},
                      Vector{"IfModifiedSince",
                             {{"x-ms-client-request-id", "d0863cd4-ae43-4dd4-aa27-eff01d30b5cf"},
                              {"x-ms-date", "Thu, 30 Oct 2014 20:15:46 GMT"},
                              {"If-Modified-Since", "Thu, 30 Oct 2014 20:15:41 GMT"}},
                             "21rAYhnoRQQu6MmxXj6W5Rx3YWI8OCjO50CNNniohAA="},
                      Vector{"HeadersOfTheContent",
                             {{"Content-Type", "application/octet-stream"},
                              {"Content-Language", "EN-US"},
                              {"Content-Encoding", "gzip"},
                              {"If-Match", "DummyETag"},
                              {"x-ms-client-request-id", "93399f8e-6ce2-4020-81a4-4f1f53f427fd"},
                              {"x-ms-date", "Thu, 30 Oct 2014 20:46:48 GMT"}},
                             "ZBQYgC9dgzldVfH6t06qIYZujSz/3blWrinuYePTMv8="}),
    [](const auto& each) { return std::string(each.param.name); });

// The example of "Authorize with Shared Key".
TEST(SharedKeyTest, TheStringToSignIsThatOfTheDocumentation) {
  const SharedKeyRequest request{
      "GET",
      "/mycontainer",
      "restype=container&comp=metadata&timeout=20",
      {{"x-ms-version", "2015-02-21"}, {"x-ms-date", "Fri, 26 Jun 2015 23:39:12 GMT"}}};

  EXPECT_EQ(SharedKeyStringToSign("myaccount", request),
            "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\n"
            "x-ms-version:2015-02-21\n/myaccount/mycontainer\ncomp:metadata\n"
            "restype:container\ntimeout:20");
}

TEST(SharedKeyTest, ParametersAreDecodedSortedAndJoined) {
  const SharedKeyRequest request{
      "GET", "/acct1/con/a%20b", "INCLUDE=b%2Cc&blockid=A%3D&include=a", {}};

  EXPECT_THAT(SharedKeyStringToSign("acct1", request),
              HasSubstr("\n/acct1/acct1/con/a%20b\nblockid:A=\ninclude:a,b,c"));
}

TEST(SharedKeyTest, NamesAreSortedAsTheServiceSortsThem) {
  const SharedKeyRequest request{
      "PUT", "/", "", {{"x-ms-meta-a1", "1"}, {"x-ms-meta-A_1", "2"}, {"x-ms-meta-ab", "3"}}};

  EXPECT_THAT(SharedKeyStringToSign("acct1", request),
              HasSubstr("x-ms-meta-a_1:2\nx-ms-meta-a1:1\nx-ms-meta-ab:3\n"));
}

}  // namespace
}  // namespace fetchd::objstore
