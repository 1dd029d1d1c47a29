#include "admin/dashboard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <string>

namespace fetchd::admin {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string FieldOf(const HttpReply& reply, const std::string& name) {
  for (const HttpField& field : reply.fields) {
    if (field.name == name) return field.value;
  }
  return "";
}

TEST(DashboardTest, TheRootIsThePageAndOthersAreNone) {
  ASSERT_NE(FindAsset("/"), nullptr);
  EXPECT_THAT(FindAsset("/")->bytes, HasSubstr("<!doctype html>"));
  for (const std::string path : {"", "/index.html", "/ui", "/ui/", "/ui/../", "/ui/app.js/"}) {
    EXPECT_EQ(FindAsset(path), nullptr) << path;
  }
}

TEST(DashboardTest, APageIsSentOnceAndThenAskedAbout) {
  const Asset& asset = *FindAsset("/ui/app.js");

  const HttpReply first = AnswerAsset(asset, {.method = "GET", .target = "/ui/app.js"});
  const HttpReply again = AnswerAsset(
      asset, {.method = "GET", .target = "/ui/app.js", .fields = {{"if-none-match", asset.etag}}});
  const HttpReply other = AnswerAsset(
      asset, {.method = "GET", .target = "/ui/app.js", .fields = {{"If-None-Match", "\"x\""}}});

  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(first.body, asset.bytes);
  EXPECT_EQ(FieldOf(first, "ETag"), asset.etag);
  EXPECT_EQ(again.status, 304);
  EXPECT_THAT(again.body, IsEmpty());
  EXPECT_EQ(other.status, 200);
  EXPECT_EQ(AnswerAsset(asset, {.method = "POST", .target = "/ui/app.js"}).status, 405);
}

TEST(DashboardTest, EveryOneIsUnderThePolicy) {
  std::set<std::string> etags;
  for (const Asset& asset : Assets()) {
    const HttpReply reply = AnswerAsset(asset, {.method = "GET"});
    const std::string policy = FieldOf(reply, "Content-Security-Policy");
    EXPECT_THAT(policy, HasSubstr("default-src 'none'; script-src 'self'; style-src 'self'"));
    EXPECT_THAT(policy, HasSubstr("frame-ancestors 'none'; base-uri 'none'; form-action 'none'"));
    EXPECT_THAT(policy, Not(HasSubstr("unsafe")));
    EXPECT_EQ(FieldOf(reply, "X-Content-Type-Options"), "nosniff");
    etags.insert(asset.etag);
  }
  EXPECT_EQ(etags.size(), Assets().size());
}

TEST(DashboardTest, NothingIsWrittenAsMarkupNorLoadedFromElsewhere) {
  const std::regex forbidden(
      "innerHTML|outerHTML|insertAdjacentHTML|document\\.write|DOMParser|\\beval\\b|new Function|"
      "localStorage|document\\.cookie|javascript:|@import|url\\(");
  for (const Asset& asset : Assets()) {
    const std::string text(asset.bytes);
    std::smatch found;
    EXPECT_FALSE(std::regex_search(text, found, forbidden)) << asset.path << ": " << found.str();
  }
  const std::string page(FindAsset("/")->bytes);
  EXPECT_FALSE(
      std::regex_search(page, std::regex("<style|\\sstyle=|\\son[a-z]+=|<script>|https?://")));
}

TEST(DashboardTest, EveryModuleThatIsImportedIsThere) {
  const std::regex import("from \"\\./([a-z]+\\.js)\"");
  for (const Asset& asset : Assets()) {
    const std::string text(asset.bytes);
    for (std::sregex_iterator next(text.begin(), text.end(), import), end; next != end; ++next) {
      EXPECT_NE(FindAsset("/ui/" + (*next)[1].str()), nullptr) << asset.path;
    }
  }
}

}  // namespace
}  // namespace fetchd::admin
