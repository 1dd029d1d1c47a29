#include "http/chunked_decoder.h"

#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <string>

namespace fetchd::http {
namespace {

/// The decoded body, or nothing when it is an error or does not end; fed in pieces of `piece`
/// bytes.
std::optional<std::string> Decode(const std::string& text, std::size_t piece,
                                  std::size_t room = 5) {
  ChunkedDecoder decoder;
  std::string body;
  std::string out(room, '\0');
  std::size_t at = 0;
  while (at < text.size() && !decoder.done()) {
    const std::string_view in = std::string_view(text).substr(at, piece);
    const auto progress = decoder.Decode(in, std::as_writable_bytes(std::span(out)));
    if (!progress) return std::nullopt;
    body.append(out, 0, progress->produced);
    at += progress->consumed;
  }
  if (!decoder.done()) return std::nullopt;
  return body;
}

std::optional<std::string> DecodeAnyhow(const std::string& text) {
  const auto whole = Decode(text, text.size());
  for (std::size_t piece = 1; piece < 12; ++piece) EXPECT_EQ(Decode(text, piece), whole) << piece;
  return whole;
}

TEST(ChunkedDecoderTest, JoinsChunksAtAnySplit) {
  EXPECT_EQ(DecodeAnyhow("3\r\nabc\r\n0a\r\n0123456789\r\n000\r\n\r\n"), "abc0123456789");
  EXPECT_EQ(DecodeAnyhow("0\r\n\r\n"), "");
  EXPECT_EQ(DecodeAnyhow("3;a=b;c=\"d\" ;e\r\nabc\r\n0;f\r\nX: y\r\nContent-Length: 9\r\n\r\n"),
            "abc");
  EXPECT_EQ(DecodeAnyhow("3 ; a\r\nabc\r\n0\r\n\r\n"), "abc");
}

TEST(ChunkedDecoderTest, TrailersAreKeptInOrder) {
  const std::string text = "1\r\nx\r\n0\r\nRepr-Digest: \t a=:b:  \r\nX-Empty:\r\nx: 1\r\n\r\n";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    ChunkedDecoder decoder;
    std::array<std::byte, 8> out;
    for (std::size_t at = 0; at < text.size(); at += piece) {
      ASSERT_TRUE(decoder.Decode(std::string_view(text).substr(at, piece), out));
    }
    ASSERT_TRUE(decoder.done());

    const Headers trailers = decoder.TakeTrailers();

    ASSERT_EQ(trailers.size(), 3U);
    EXPECT_EQ(trailers.Get("repr-digest"), "a=:b:");
    EXPECT_EQ(trailers.Get("X-Empty"), "");
    EXPECT_EQ(trailers.at(2).second, "1");
  }
}

TEST(ChunkedDecoderTest, RefusesBadFraming) {
  for (const char* text : {"\r\n",
                           "x\r\n",
                           "0x3\r\nabc\r\n0\r\n\r\n",
                           "-3\r\nabc\r\n0\r\n\r\n",
                           "+3\r\nabc\r\n0\r\n\r\n",
                           "0_3\r\nabc\r\n0\r\n\r\n",
                           "3\nabc\r\n0\r\n\r\n",
                           "3\r\nabcd\r\n0\r\n\r\n",
                           "3\r\nab\r\n0\r\n\r\n",
                           "3\r\nabc\n0\r\n\r\n",
                           " 3\r\nabc\r\n0\r\n\r\n",
                           "3 \r\nabc\r\n0\r\n\r\n",
                           "3;\r\nabc\r\n0\r\n\r\n",
                           "3;a\rb\r\nabc\r\n0\r\n\r\n",
                           "10000000000000000\r\nabc",
                           "0\r\n: x\r\n\r\n",
                           "0\r\na b: x\r\n\r\n",
                           "0\r\na: \x01\r\n\r\n",
                           "0\r\n\n",
                           "0\r\na: b\n\r\n"}) {
    EXPECT_EQ(DecodeAnyhow(text), std::nullopt) << text;
  }
}

TEST(ChunkedDecoderTest, LargestSizeFits) {
  ChunkedDecoder decoder;
  ASSERT_TRUE(decoder.Decode(std::string_view("FFFFFFFFFFFFFFFF\r\n"), {}));
  EXPECT_EQ(decoder.data_remaining(), ~std::uint64_t{0});
}

TEST(ChunkedDecoderTest, LimitsExtensionsTrailersAndOverhead) {
  EXPECT_TRUE(Decode("1;" + std::string(250, 'a') + "\r\nx\r\n0\r\n\r\n", 4096));
  EXPECT_FALSE(Decode("1;" + std::string(260, 'a') + "\r\nx\r\n0\r\n\r\n", 4096));
  EXPECT_TRUE(Decode("0\r\na: " + std::string(8'000, 'a') + "\r\n\r\n", 4096));
  EXPECT_FALSE(Decode("0\r\na: " + std::string(9'000, 'a') + "\r\n\r\n", 4096));

  std::string bombs, crumbs;
  for (int i = 0; i < 1000; ++i) bombs += "1;" + std::string(200, 'a') + "\r\nx\r\n";
  for (int i = 0; i < 100'000; ++i) crumbs += "1\r\nx\r\n";
  EXPECT_FALSE(Decode(bombs + "0\r\n\r\n", 4096));
  EXPECT_EQ(Decode(crumbs + "0\r\n\r\n", 4096, 4096)->size(), 100'000U);
}

TEST(ChunkedDecoderTest, DataMayBypassTheDecoder) {
  ChunkedDecoder decoder;
  ASSERT_TRUE(decoder.Decode(std::string_view("5\r\n"), {}));
  EXPECT_EQ(decoder.data_remaining(), 5U);
  decoder.Skip(2);
  EXPECT_EQ(decoder.data_remaining(), 3U);
  decoder.Skip(3);

  const auto progress = decoder.Decode(std::string_view("\r\n0\r\n\r\nleft"), {});
  EXPECT_EQ(progress->consumed, 7U);
  EXPECT_TRUE(decoder.done());
}

}  // namespace
}  // namespace fetchd::http
