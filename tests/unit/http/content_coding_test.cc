#include "http/content_coding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "base/strings.h"
#include "support/content_encoder.h"
#include "support/origin_scripts.h"

namespace fetchd::http {
namespace {

using testing::Brotli;
using ::testing::ElementsAre;
using testing::Gzip;
using ::testing::HasSubstr;
using testing::RawDeflate;
using testing::Zlib;
using testing::Zstd;

absl::StatusOr<std::vector<ContentCoding>> Codings(const std::vector<std::string>& fields) {
  Headers headers;
  for (const std::string& field : fields) headers.Add("Content-Encoding", field);
  return CodingsOf(headers);
}

TEST(CodingsTest, AreReadInTheOrderOfTheirApplication) {
  EXPECT_THAT(*Codings({}), ElementsAre());
  EXPECT_THAT(*Codings({"identity", " ", ""}), ElementsAre());
  EXPECT_THAT(*Codings({"GZip"}), ElementsAre(ContentCoding::kGzip));
  EXPECT_THAT(*Codings({"x-gzip, br"}), ElementsAre(ContentCoding::kGzip, ContentCoding::kBrotli));
  EXPECT_THAT(*Codings({"deflate ,identity", "zstd"}),
              ElementsAre(ContentCoding::kDeflate, ContentCoding::kZstd));
}

TEST(CodingsTest, UnknownOnesAndTooManyAreRefused) {
  for (const std::vector<std::string>& fields : {std::vector<std::string>{"compress"},
                                                 {"gzip, exi"},
                                                 {"gzip;q=1"},
                                                 {"gzip, gzip, gzip"},
                                                 {"br", "br", "br"}}) {
    const absl::Status status = Codings(fields).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << fields[0];
    EXPECT_EQ(GetReason(status)->reason, "CONTENT_CODING_NOT_SUPPORTED");
  }
  EXPECT_THAT(MessageOf(Codings({"compress"}).status()), HasSubstr("compress"));
}

/// Decodes `input` in pieces; the decoded bytes, or why not.
std::string Decode(ContentCoding coding, std::string_view input, std::size_t in_size,
                   std::size_t out_size) {
  const auto decoder = MakeDecoder(coding);
  std::string body;
  std::vector<std::byte> out(out_size);
  while (true) {
    std::span<const std::byte> piece = std::as_bytes(std::span(input.substr(0, in_size)));
    input.remove_prefix(piece.size());
    std::size_t produced = 0;
    do {
      const auto progress = decoder->Decode(piece, out);
      if (!progress) return Concat("error: ", progress.error());
      piece = piece.subspan(progress->consumed);
      produced = progress->produced;
      body.append(reinterpret_cast<const char*>(out.data()), produced);
    } while (!piece.empty() || produced == out.size());
    if (input.empty()) return decoder->at_boundary() ? body : "error: ends early";
  }
}

struct FormatCase {
  const char* name;
  ContentCoding coding;
  std::function<std::string(std::string_view)> encode;
};
void PrintTo(const FormatCase& c, std::ostream* out) { *out << c.name; }

class FormatTest : public ::testing::TestWithParam<FormatCase> {
 protected:
  static std::string Body(std::size_t size) {
    std::string body = testing::PatternBody(size);
    for (std::size_t i = 0; i < size / 2; ++i) body[i] = static_cast<char>('a' + i / 100 % 7);
    return body;
  }
};

TEST_P(FormatTest, BodiesOfAllSizesAreRightAtAnySplit) {
  for (const std::size_t size : {0, 1, 100, 70'000}) {
    const std::string body = Body(size);
    const std::string encoded = GetParam().encode(body);
    for (const std::size_t in_size : {std::size_t{1}, std::size_t{2}, std::size_t{4096}}) {
      for (const std::size_t out_size : {std::size_t{1}, std::size_t{1000}, std::size_t{1} << 20}) {
        if (size > 1000 && in_size * out_size < 1000) continue;
        EXPECT_TRUE(Decode(GetParam().coding, encoded, in_size, out_size) == body)
            << size << ' ' << in_size << ' ' << out_size;
      }
    }
  }
}

TEST_P(FormatTest, EveryCutIsNoticed) {
  const std::string encoded = GetParam().encode(Body(300));
  for (std::size_t size = 0; size < encoded.size(); ++size) {
    EXPECT_THAT(Decode(GetParam().coding, encoded.substr(0, size), 64, 1000), HasSubstr("error:"))
        << size << " of " << encoded.size();
  }
}

TEST_P(FormatTest, BytesBehindTheEndAreNoticed) {
  const std::string encoded = GetParam().encode(Body(300));
  for (const std::string& garbage :
       {std::string("\0", 1), std::string("garbage"), std::string(9, '\xff')}) {
    for (const std::size_t in_size : {std::size_t{1}, std::size_t{4096}}) {
      EXPECT_THAT(Decode(GetParam().coding, encoded + garbage, in_size, 1000), HasSubstr("error:"));
    }
  }
}

TEST_P(FormatTest, AnyDamageEndsInAnErrorOrInABodyButNeverInHarm) {
  std::mt19937 random(11);
  const std::string encoded = GetParam().encode(Body(3000));
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = encoded;
    damaged[random() % damaged.size()] ^= static_cast<char>(1 << random() % 8);
    if (i % 2 == 0) damaged.resize(random() % damaged.size());
    Decode(GetParam().coding, damaged, 1 + random() % 500, 1 + random() % 5000);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, FormatTest,
    ::testing::Values(FormatCase{"Gzip", ContentCoding::kGzip, Gzip},
                      FormatCase{"ZlibAsDeflate", ContentCoding::kDeflate, Zlib},
                      FormatCase{"RawAsDeflate", ContentCoding::kDeflate, RawDeflate},
                      FormatCase{"Brotli", ContentCoding::kBrotli,
                                 [](std::string_view body) { return Brotli(body); }},
                      FormatCase{"BrotliOfTheLargestWindow", ContentCoding::kBrotli,
                                 [](std::string_view body) { return Brotli(body, 24); }},
                      FormatCase{"Zstd", ContentCoding::kZstd,
                                 [](std::string_view body) { return Zstd(body); }},
                      FormatCase{"ZstdOfTheLargestWindow", ContentCoding::kZstd,
                                 [](std::string_view body) { return Zstd(body, 23); }}),
    [](const auto& info) { return info.param.name; });

TEST(GzipTest, MembersAreOneBody) {
  const std::string encoded = Gzip("one,") + Gzip("") + Gzip("two");

  for (const std::size_t in_size : {std::size_t{1}, std::size_t{1000}}) {
    EXPECT_EQ(Decode(ContentCoding::kGzip, encoded, in_size, 100), "one,two");
  }
  EXPECT_THAT(Decode(ContentCoding::kGzip, encoded.substr(0, encoded.size() - 1), 100, 100),
              HasSubstr("ends early"));
}

TEST(GzipTest, AWrongChecksumIsNoticed) {
  std::string encoded = Gzip("body");
  encoded[encoded.size() - 5] ^= 1;

  EXPECT_THAT(Decode(ContentCoding::kGzip, encoded, 100, 100), HasSubstr("no valid gzip"));
}

TEST(ZstdTest, FramesAreOneBodyAndSkippableOnesAreSkipped) {
  const std::string skippable("\x50\x2a\x4d\x18\x03\x00\x00\x00xyz", 11);

  EXPECT_EQ(Decode(ContentCoding::kZstd, Zstd("one,") + skippable + Zstd("two"), 3, 100),
            "one,two");
}

TEST(ZstdTest, AWindowOverEightMebibytesIsRefused) {
  const std::string body = testing::PatternBody(100);

  EXPECT_EQ(Decode(ContentCoding::kZstd, Zstd(body, 23), 100, 200), body);
  EXPECT_THAT(Decode(ContentCoding::kZstd, Zstd(body, 24), 100, 200), HasSubstr("over 8 MiB"));
}

TEST(BrotliTest, ALargeWindowIsRefused) {
  // 0x11 begins a stream of the large window extension.
  EXPECT_THAT(Decode(ContentCoding::kBrotli, std::string("\x11\x1e\x00\x00", 4), 100, 100),
              HasSubstr("no valid br"));
}

}  // namespace
}  // namespace fetchd::http
