#include "objstore/xml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"

namespace fetchd::objstore {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Read {
  absl::Status status;
  std::vector<std::string> seen;
};

Read ReadAll(std::string_view document) {
  Read read;
  read.status = ReadXml(document, [&](std::string_view path, std::string text) {
    read.seen.push_back(Concat(path, '=', text));
    return absl::OkStatus();
  });
  return read;
}

TEST(XmlTest, ElementsComeAsTheyEnd) {
  const Read read =
      ReadAll("<?xml version=\"1.0\"?><a xmlns=\"urn:x\"><b>1&amp;2</b><c/><b>3</b></a>");

  EXPECT_TRUE(read.status.ok()) << read.status;
  EXPECT_THAT(read.seen, ElementsAre("a/b=1&2", "a/c=", "a/b=3", "a="));
}

TEST(XmlTest, WhiteSpaceMayComeFirst) {
  EXPECT_THAT(ReadAll(" \r\n\n<?xml version=\"1.0\"?>\n<a>x</a>\n").seen, ElementsAre("a=x"));
}

TEST(XmlTest, WhatIsNotADocumentIsDataLoss) {
  const std::string deep = [] {
    std::string text;
    for (int i = 0; i < 17; ++i) text += "<a>";
    for (int i = 0; i < 17; ++i) text += "</a>";
    return text;
  }();
  for (const std::string& text :
       {std::string(), std::string("  "), std::string("x"), std::string("<a>"),
        std::string("<a></b>"), std::string("<a/><b/>"), std::string("<a>\xff</a>"),
        std::string("<a>&undefined;</a>"), std::string("<a>\0</a>", 8), deep,
        "<" + std::string(257, 'n') + "/>", "<a>" + std::string(16385, 't') + "</a>"}) {
    EXPECT_TRUE(absl::IsDataLoss(ReadAll(text).status)) << text.substr(0, 40);
  }
}

TEST(XmlTest, DocumentTypesAreRefusedAndWithThemEntities) {
  const Read read = ReadAll("<!DOCTYPE a [<!ENTITY b \"bbbb\">]><a>&b;</a>");

  EXPECT_THAT(MessageOf(read.status), HasSubstr("document type"));
  EXPECT_TRUE(read.seen.empty());
}

TEST(XmlTest, TextsOfTheLargestSizePass) {
  EXPECT_TRUE(ReadAll("<a>" + std::string(16384, 't') + "</a>").status.ok());
  // More than one piece for the parser.
  std::string large = "<a>";
  for (int i = 0; i < 200; ++i) large += "<b>" + std::string(10'000, 'x') + "</b>";
  EXPECT_EQ(ReadAll(large + "</a>").seen.size(), 201U);
}

TEST(XmlTest, AVisitorCanEndTheReading) {
  int calls = 0;
  const absl::Status status = ReadXml("<a><b/><b/></a>", [&](std::string_view, const std::string&) {
    ++calls;
    return absl::AbortedError("enough");
  });

  EXPECT_TRUE(absl::IsAborted(status));
  EXPECT_EQ(calls, 1);
}

TEST(XmlTest, EscapedTextReadsBack) {
  const std::string text = "\"a\" <b> & ]]> \xc3\xbc";
  EXPECT_THAT(ReadAll(Concat("<a>", EscapeXml(text), "</a>")).seen, ElementsAre("a=" + text));
}

}  // namespace
}  // namespace fetchd::objstore
