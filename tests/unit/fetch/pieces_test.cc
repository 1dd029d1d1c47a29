#include "fetch/pieces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

namespace fetchd::fetch {
namespace {

using ::testing::HasSubstr;
using ::testing::IsNull;
using ::testing::NotNull;

constexpr std::uint64_t kAny = ~std::uint64_t{0};

Piece* Take(Pieces& pieces, std::uint64_t bytes, std::uint64_t ahead) {
  const auto end_of = [bytes](std::uint64_t from) { return bytes == kAny ? kAny : from + bytes; };
  return pieces.Take(end_of, ahead);
}

TEST(PiecesTest, AreHandedOutInOrderUpToTheEnd) {
  Pieces pieces(10, 100);
  const Piece* a = Take(pieces, 40, kAny);
  const Piece* b = Take(pieces, 40, kAny);
  const Piece* c = Take(pieces, 40, kAny);

  ASSERT_THAT(c, NotNull());
  EXPECT_EQ(a->first, 10u);
  EXPECT_EQ(a->end, 50u);
  EXPECT_EQ(b->end, 90u);
  EXPECT_EQ(c->end, 100u);
  EXPECT_THAT(Take(pieces, 40, kAny), IsNull());
  EXPECT_TRUE(pieces.all_taken());
}

TEST(PiecesTest, WhatIsContiguousGrowsOverPiecesThatAreWhole) {
  Pieces pieces(0, 100);
  Piece* a = Take(pieces, 40, kAny);
  Piece* b = Take(pieces, 40, kAny);
  pieces.Wrote(*b, 30);
  pieces.Wrote(*a, 10);
  EXPECT_EQ(pieces.contiguous(), 10u);

  pieces.Wrote(*a, 30);
  pieces.Leave(*a);

  EXPECT_EQ(pieces.contiguous(), 70u);
  EXPECT_EQ(pieces.front(), b);
}

TEST(PiecesTest, OneThatComesBackGoesFirstAndKeepsWhatIsHere) {
  Pieces pieces(0, 100);
  Piece* a = Take(pieces, 40, kAny);
  Take(pieces, 20, kAny);
  pieces.Wrote(*a, 15);

  pieces.Leave(*a);
  const Piece* again = Take(pieces, 40, kAny);

  EXPECT_EQ(again, a);
  EXPECT_EQ(again->at, 15u);
  EXPECT_EQ(again->end, 40u);
}

TEST(PiecesTest, TheLastOneComesBackInPieces) {
  Pieces pieces(0, 100);
  Piece* rest = Take(pieces, kAny, kAny);
  pieces.Wrote(*rest, 10);
  pieces.Leave(*rest);

  EXPECT_EQ(Take(pieces, 30, kAny)->end, 40u);
  EXPECT_EQ(Take(pieces, 30, kAny)->first, 40u);
}

TEST(PiecesTest, NoneIsFurtherAheadThanItMay) {
  Pieces pieces(0, 1000);
  Piece* a = Take(pieces, 10, 30);
  Take(pieces, 10, 30);
  Take(pieces, 10, 30);
  EXPECT_THAT(Take(pieces, 10, 30), IsNull());
  EXPECT_FALSE(pieces.all_taken());

  pieces.Wrote(*a, 10);

  EXPECT_THAT(Take(pieces, 10, 30), NotNull());
}

TEST(PiecesTest, ACutPieceLeavesTheRestToOthers) {
  Pieces pieces(0, 100);
  Piece* all = Take(pieces, kAny, kAny);

  pieces.Cut(*all, 30);

  EXPECT_EQ(pieces.unclaimed(), 70u);
  EXPECT_EQ(Take(pieces, 10, kAny)->first, 30u);
  pieces.Cut(*all, 20);
  EXPECT_EQ(all->end, 30u) << "another one lies behind it";
}

TEST(PiecesTest, APieceIsExtendedOverThoseThatNobodyTouched) {
  Pieces pieces(0, 100);
  Piece* a = Take(pieces, 30, kAny);
  Piece* b = Take(pieces, 30, kAny);
  EXPECT_FALSE(pieces.ExtendToEnd(*a)) << "somebody reads it";
  pieces.Leave(*b);

  EXPECT_TRUE(pieces.ExtendToEnd(*a));

  EXPECT_EQ(a->end, 100u);
  EXPECT_EQ(pieces.unclaimed(), 0u);
}

TEST(PiecesTest, NothingIsExtendedOverWhatIsHere) {
  Pieces pieces(0, 100);
  Piece* a = Take(pieces, 30, kAny);
  Piece* b = Take(pieces, 30, kAny);
  pieces.Wrote(*b, 1);
  pieces.Leave(*b);

  EXPECT_FALSE(pieces.ExtendToEnd(*a));
}

TEST(PiecesTest, OfAWholeBodyNothingIsMissing) {
  Pieces pieces(0, 50);
  Piece* a = Take(pieces, kAny, kAny);
  EXPECT_EQ(pieces.front(), a);

  pieces.Wrote(*a, 50);
  pieces.Leave(*a);

  EXPECT_THAT(pieces.front(), IsNull());
  EXPECT_EQ(pieces.contiguous(), 50u);
  EXPECT_TRUE(pieces.all_taken());
}

struct PieceCase {
  const char* name;
  std::function<void(http::Response& response, WholeBody& whole)> change;
  const char* why;  ///< Empty: it is a piece.
};
void PrintTo(const PieceCase& c, std::ostream* out) { *out << c.name; }

class WhyNotPieceTest : public ::testing::TestWithParam<PieceCase> {};

void Set(http::Response& response, const std::string& name, const std::string& value) {
  http::Headers changed;
  for (std::size_t i = 0; i < response.head.headers.size(); ++i) {
    const auto [old_name, old_value] = response.head.headers.at(i);
    if (old_name != name) changed.Add(old_name, old_value);
  }
  if (!value.empty()) changed.Add(name, value);
  response.head.headers = changed;
}

TEST_P(WhyNotPieceTest, IsJudged) {
  const Url url = *Url::Parse("https://example.org/a?x=1");
  http::Response response{{}, 10, url, nullptr};
  response.head.status = 206;
  response.head.headers.Add("Content-Range", "bytes 20-29/100");
  response.head.headers.Add("ETag", "\"v1\"");
  response.head.headers.Add("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT");
  WholeBody whole{100, {"\"v1\"", ""}, SourceOf(url)};
  GetParam().change(response, whole);

  const std::string why = WhyNotPiece(response, {20, 29}, whole);

  EXPECT_EQ(why.empty(), *GetParam().why == '\0') << why;
  EXPECT_THAT(why, HasSubstr(GetParam().why));
}

using R = http::Response;
using W = WholeBody;
INSTANTIATE_TEST_SUITE_P(
    All, WhyNotPieceTest,
    ::testing::Values(
        PieceCase{"ThePiece", [](R&, W&) {}, ""},
        PieceCase{"WithoutLength", [](R& r, W&) { r.content_length.reset(); }, ""},
        PieceCase{"TheWholeBody", [](R& r, W&) { r.head.status = 200; }, "it answered 200"},
        PieceCase{"NotSatisfiable", [](R& r, W&) { r.head.status = 416; }, "it answered 416"},
        PieceCase{"LaterStart", [](R& r, W&) { Set(r, "Content-Range", "bytes 21-29/100"); },
                  "another part"},
        PieceCase{"EarlierEnd", [](R& r, W&) { Set(r, "Content-Range", "bytes 20-28/100"); },
                  "another part"},
        PieceCase{"NoContentRange", [](R& r, W&) { Set(r, "Content-Range", ""); }, "another part"},
        PieceCase{"OtherLengthOfThePart", [](R& r, W&) { r.content_length = 9; }, "another part"},
        PieceCase{"OtherLengthOfTheBody",
                  [](R& r, W&) { Set(r, "Content-Range", "bytes 20-29/101"); },
                  "the length is another one"},
        PieceCase{"UnknownLengthOfTheBody",
                  [](R& r, W&) { Set(r, "Content-Range", "bytes 20-29/*"); },
                  "the length is another one"},
        PieceCase{"OtherEtag", [](R& r, W&) { Set(r, "ETag", "\"v2\""); }, "the body is another"},
        PieceCase{"WeakEtag", [](R& r, W&) { Set(r, "ETag", "W/\"v1\""); }, "the body is another"},
        PieceCase{"NoEtag", [](R& r, W&) { Set(r, "ETag", ""); }, "the body is another"},
        PieceCase{"ByDate", [](R&, W& w) { w.validator = {"", "Sun, 06 Nov 1994 08:49:37 GMT"}; },
                  ""},
        PieceCase{"ByAnotherDate",
                  [](R&, W& w) { w.validator = {"", "Sun, 06 Nov 1994 08:49:38 GMT"}; },
                  "the body is another"},
        PieceCase{"ADateThatIsNotRepeated",
                  [](R& r, W& w) {
                    w.validator = {"", "Sun, 06 Nov 1994 08:49:37 GMT"};
                    Set(r, "Last-Modified", "");
                  },
                  ""},
        PieceCase{"AnotherPlace",
                  [](R& r, W&) { r.url = *Url::Parse("https://other.example/a?x=1"); },
                  "another place"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace fetchd::fetch
