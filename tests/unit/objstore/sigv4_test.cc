// AWS Signature Version 4 against the public test suite (tests/corpora/sigv4).
#include "objstore/sigv4.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/hash.h"
#include "base/strings.h"

namespace fetchd::objstore {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAreArray;

constexpr WallTime kSuiteTime = WallTime(std::chrono::sys_days(std::chrono::year{2015} / 8 / 30)) +
                                std::chrono::hours(12) + std::chrono::minutes(36);

const std::filesystem::path& SuiteFolder() {
  static const std::filesystem::path folder =
      std::filesystem::path(FETCHD_CORPORA) / "sigv4" / "v4";
  return folder;
}

std::vector<std::string> CaseNames() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(SuiteFolder())) {
    names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

/// Lines of a message as written: one that begins with white space goes on with the one before.
struct Message {
  std::string method, path, query, body;
  std::vector<http::Header> headers;

  explicit Message(std::string_view text) {
    const std::string_view first = text.substr(0, text.find('\n'));
    const std::size_t space = first.find(' ');
    method = first.substr(0, space);
    const std::string_view target = first.substr(space + 1, first.rfind(' ') - space - 1);
    const std::size_t mark = std::min(target.find('?'), target.size());
    path = target.substr(0, mark);
    query = target.substr(std::min(mark + 1, target.size()));
    text.remove_prefix(first.size() + 1);
    while (!text.empty() && text.front() != '\n') {
      const std::string_view line = text.substr(0, text.find('\n'));
      text.remove_prefix(std::min(line.size() + 1, text.size()));
      if (line.front() == ' ') {
        headers.back().value += Concat('\n', line);
        continue;
      }
      const std::size_t colon = line.find(':');
      headers.push_back({std::string(line.substr(0, colon)), std::string(line.substr(colon + 1))});
    }
    if (!text.empty()) body = text.substr(1);
    while (body.ends_with('\n')) body.pop_back();
  }
  std::vector<std::string> Lines() const {
    std::vector<std::string> lines;
    for (const http::Header& header : headers) {
      lines.push_back(Concat(AsciiLower(header.name), ':', header.value));
    }
    return lines;
  }
};

class SigV4SuiteTest : public ::testing::TestWithParam<std::string> {
 protected:
  std::string File(const std::string& name) const {
    std::ifstream file(SuiteFolder() / GetParam() / name);
    EXPECT_TRUE(file.good()) << name;
    std::string text{std::istreambuf_iterator<char>(file), {}};
    while (text.ends_with('\n') && !name.ends_with("request.txt")) text.pop_back();
    return text;
  }
  std::string Canonical(const std::string& name) const {
    std::string text = File(name);
    while (text.ends_with('\n')) text.pop_back();
    return text;
  }

  boost::json::object context_ = boost::json::parse(File("context.json")).as_object();
  SigningKey key_ = [this] {
    const auto& credentials = context_.at("credentials").as_object();
    const auto text = [&](const char* name) {
      const auto* value = credentials.if_contains(name);
      return value == nullptr ? std::string() : std::string(value->as_string());
    };
    return SigningKey{text("access_key_id"), Secret(text("secret_access_key")),
                      Secret(text("token"))};
  }();
  SigV4 sigv4_ = [this] {
    const auto* omit = context_.if_contains("omit_session_token");
    return SigV4({std::string(context_.at("region").as_string()),
                  std::string(context_.at("service").as_string())},
                 kSuiteTime,
                 {.normalize_path = context_.at("normalize").as_bool(),
                  .encode_path = true,
                  .sign_session_token = omit == nullptr || !omit->as_bool()});
  }();
  Message message_{File("request.txt")};
  bool sign_body_ = context_.at("sign_body").as_bool();
  SignableRequest request_{message_.method, message_.path, message_.query, message_.headers,
                           *HashHex(HashAlgorithm::kSha256, message_.body)};
};

TEST_P(SigV4SuiteTest, HeadersAreSignedAsTheSuiteSays) {
  ASSERT_EQ(context_.at("timestamp").as_string(), "2015-08-30T12:36:00Z");
  if (sign_body_) request_.headers.push_back({"x-amz-content-sha256", request_.payload_hash});

  const SignableRequest whole = sigv4_.WithSignedHeaders(request_, key_);
  const std::string canonical = sigv4_.CanonicalRequest(whole);
  const std::string to_sign = sigv4_.StringToSign(canonical);
  Message sent = message_;
  sent.headers = request_.headers;
  for (http::Header& header : sigv4_.SignHeaders(request_, key_)) {
    sent.headers.push_back(std::move(header));
  }

  EXPECT_EQ(canonical, Canonical("header-canonical-request.txt"));
  EXPECT_EQ(to_sign, File("header-string-to-sign.txt"));
  EXPECT_EQ(sigv4_.Signature(to_sign, key_.secret_access_key), File("header-signature.txt"));
  EXPECT_THAT(sent.Lines(),
              UnorderedElementsAreArray(Message(File("header-signed-request.txt")).Lines()));
}

TEST_P(SigV4SuiteTest, QueriesAreSignedAsTheSuiteSays) {
  const std::chrono::seconds valid_for(context_.at("expiration_in_seconds").as_int64());

  const SignableRequest whole = sigv4_.WithSignedQuery(request_, key_, valid_for);
  const std::string canonical = sigv4_.CanonicalRequest(whole);
  const std::string to_sign = sigv4_.StringToSign(canonical);

  EXPECT_EQ(canonical, Canonical("query-canonical-request.txt"));
  EXPECT_EQ(to_sign, File("query-string-to-sign.txt"));
  EXPECT_EQ(sigv4_.Signature(to_sign, key_.secret_access_key), File("query-signature.txt"));
  const Message expected(File("query-signed-request.txt"));
  EXPECT_EQ(sigv4_.SignQuery(request_, key_, valid_for), expected.query);
  EXPECT_EQ(message_.Lines(), expected.Lines());
}

INSTANTIATE_TEST_SUITE_P(Suite, SigV4SuiteTest, ::testing::ValuesIn(CaseNames()),
                         [](const ::testing::TestParamInfo<std::string>& each) {
                           std::string name;
                           bool upper = true;
                           for (const char c : each.param) {
                             if (c != '-') name += upper ? static_cast<char>(std::toupper(c)) : c;
                             upper = c == '-';
                           }
                           return name;
                         });

TEST(SigV4SuiteTest, IsThereInFull) { EXPECT_EQ(CaseNames().size(), 38U); }

// S3 API Reference, "Signature Calculations for the Authorization Header", first example.
TEST(SigV4Test, S3TakesThePathAsItIs) {
  const SigV4 sigv4({"us-east-1", "s3"},
                    WallTime(std::chrono::sys_days(std::chrono::year{2013} / 5 / 24)));
  const SigningKey key{"AKIAIOSFODNN7EXAMPLE", Secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
                       Secret()};
  const std::string empty = *HashHex(HashAlgorithm::kSha256, "");
  const SignableRequest request{"GET",
                                "/test.txt",
                                "",
                                {{"Host", "examplebucket.s3.amazonaws.com"},
                                 {"Range", "bytes=0-9"},
                                 {"x-amz-content-sha256", empty}},
                                empty};

  EXPECT_THAT(
      sigv4.SignHeaders(request, key).back().value,
      HasSubstr("Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"));
}

TEST(SigV4Test, AnEncodedPathIsNotEncodedAgain) {
  const SigV4 sigv4({"us-east-1", "s3"}, kSuiteTime);
  const SignableRequest request{
      "GET", "/b/a%20b//../%C3%BC", "uploads", {{"host", "h"}}, std::string(kUnsignedPayload)};

  EXPECT_EQ(sigv4.CanonicalRequest(request),
            "GET\n/b/a%20b//../%C3%BC\nuploads=\nhost:h\n\nhost\nUNSIGNED-PAYLOAD");
}

TEST(SigV4Test, NothingThatIsSentHoldsTheSecret) {
  const SigV4 sigv4({"us-east-1", "s3"}, kSuiteTime);
  const SigningKey key{"AKID", Secret("hunter2"), Secret()};
  const SignableRequest request{"GET", "/", "", {{"host", "h"}}, std::string(kUnsignedPayload)};

  for (const http::Header& header : sigv4.SignHeaders(request, key)) {
    EXPECT_THAT(header.value, Not(HasSubstr("hunter2")));
  }
  EXPECT_THAT(sigv4.SignQuery(request, key, std::chrono::seconds(1)), Not(HasSubstr("hunter2")));
}

}  // namespace
}  // namespace fetchd::objstore
