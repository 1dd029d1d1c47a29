#include "http/head_parser.h"

#include <gtest/gtest.h>

#include <string>

namespace fetchd::http {
namespace {

struct Parsed {
  std::expected<std::size_t, std::string_view> size;
  ResponseHead head;
};

Parsed Parse(std::string text) {
  Parsed parsed{.size = 0};
  HeadParser parser;
  parsed.size = parser.Feed(text, parsed.head);
  return parsed;
}

TEST(HeadParserTest, StopsAtTheEndOfTheHead) {
  const Parsed parsed = Parse("HTTP/1.0 404 Not Found\r\nA: b\r\nc:  d \r\n\r\nbody");

  EXPECT_EQ(*parsed.size, 40U);
  EXPECT_EQ(parsed.head.status, 404);
  EXPECT_EQ(parsed.head.minor_version, 0);
  EXPECT_EQ(parsed.head.headers.Get("a"), "b");
  EXPECT_EQ(parsed.head.headers.Get("C"), "d");
}

TEST(HeadParserTest, AcceptsAStatusLineWithoutReason) {
  EXPECT_EQ(Parse("HTTP/1.1 200\r\n\r\n").head.status, 200);
  EXPECT_EQ(Parse("HTTP/1.1 200 \r\nX: y\r\n\r\n").head.headers.Get("x"), "y");
  EXPECT_EQ(Parse("HTTP/1.1 200\r\nX: y\r\n\r\n").head.headers.Get("x"), "y");
}

TEST(HeadParserTest, RefusesWhatIsNoStatusLine) {
  for (const char* line :
       {"HTTP/2.0 200 OK", "HTTP/1.2 200 OK", "HTTP/1.1  200 OK", "HTTP/1.1 99 x", "ICY 200 OK",
        "HTTP/1.1 2000", "HTTP/1.1 000 x", "HTTP/1.1 600 x", "HTTP/1.1 20", "HTTP/1.1",
        "http/1.1 200 OK", "\r\nHTTP/1.1 200 OK"}) {
    EXPECT_FALSE(Parse(std::string(line) + "\r\n\r\n").size) << line;
  }
}

TEST(HeadParserTest, RefusesBadFieldLines) {
  for (const char* line :
       {"a b: c", "a : c", ": c", "a", "a: b\rc", "a: b\nc: d", "a\x80: b", "a: \x01", "a: \x7f"}) {
    EXPECT_FALSE(Parse(std::string("HTTP/1.1 200 OK\r\n") + line + "\r\n\r\n").size) << line;
  }
}

TEST(HeadParserTest, UnfoldsOrdinaryFieldsOnly) {
  const Parsed parsed = Parse("HTTP/1.1 200 OK\r\nX: a\r\n\t b\r\nY: c\r\n\r\n");
  ASSERT_TRUE(parsed.size);
  EXPECT_TRUE(parsed.head.headers.Get("x").starts_with("a "));
  EXPECT_TRUE(parsed.head.headers.Get("x").ends_with(" b"));
  EXPECT_EQ(parsed.head.headers.Get("y"), "c");

  for (const char* name : {"Content-Length", "transfer-encoding", "Location", "Content-Range"}) {
    EXPECT_FALSE(Parse(std::string("HTTP/1.1 200 OK\r\n") + name + ": 1\r\n 2\r\n\r\n").size)
        << name;
  }
  EXPECT_FALSE(Parse("HTTP/1.1 200 OK\r\n folded: a\r\n\r\n").size);
}

TEST(HeadParserTest, FoldedValueBeginsAndEndsWhereItsTextDoes) {
  const Parsed parsed = Parse("HTTP/1.1 200 OK\r\nX:\r\n  \r\n\ta \r\nY:\r\n\r\n");
  ASSERT_TRUE(parsed.size);
  EXPECT_EQ(parsed.head.headers.Get("x"), "a");
  EXPECT_TRUE(parsed.head.headers.Has("y"));
  EXPECT_EQ(parsed.head.headers.Get("y"), "");

  const Parsed long_one = Parse("HTTP/1.1 200 OK\r\nX: a\r\n \r\n b\r\n  \r\n\r\n");
  ASSERT_TRUE(long_one.size);
  EXPECT_EQ(long_one.head.headers.Get("x"), "a      b");
}

TEST(HeadParserTest, LimitsBytesAndFields) {
  const std::string line = "HTTP/1.1 200 OK\r\n";
  std::string fields;
  for (int i = 0; i < 256; ++i) fields += "a: b\r\n";
  EXPECT_TRUE(Parse(line + fields + "\r\n").size);
  EXPECT_FALSE(Parse(line + fields + "a: b\r\n\r\n").size);
  EXPECT_TRUE(Parse(line + "a: " + std::string(65'000, 'x') + "\r\n\r\n").size);
  EXPECT_FALSE(Parse(line + "a: " + std::string(65'536, 'x') + "\r\n\r\n").size);
  EXPECT_FALSE(Parse(line + "a: " + std::string(65'536, 'x')).size);
}

TEST(HeadParserTest, NeedsMoreUntilTheEmptyLine) {
  const std::string text = "HTTP/1.1 200 OK\r\nA: b\r\n\r\n";
  HeadParser parser;
  ResponseHead head;
  std::string received;
  for (const char c : text.substr(0, text.size() - 1)) {
    received += c;
    ASSERT_EQ(*parser.Feed(received, head), 0U);
  }
  received += '\n';
  EXPECT_EQ(*parser.Feed(received, head), text.size());
  EXPECT_EQ(head.headers.size(), 1U);
}

}  // namespace
}  // namespace fetchd::http
