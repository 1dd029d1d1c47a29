// CSV and Metalink as manifests.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "cli/manifest.h"

namespace fetchd::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kEmptyHex[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr char kEmptySri[] = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

std::string Metalink(const std::string& files) {
  return Concat("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
                "<metalink xmlns=\"urn:ietf:params:xml:ns:metalink\">\n", files, "</metalink>\n");
}

std::vector<Manifest::Entry> Entries(const std::string& text,
                                     ManifestFormat format = ManifestFormat::kAuto) {
  Manifest manifest("list", text, format);
  EXPECT_THAT(manifest.Check(), IsEmpty());
  std::vector<Manifest::Entry> entries;
  while (auto entry = manifest.Next()) entries.push_back(*std::move(entry));
  return entries;
}

struct Wrong {
  const char* name;
  ManifestFormat format;
  std::string text;
  const char* message;
};
void PrintTo(const Wrong& wrong, std::ostream* out) { *out << wrong.name; }

class BadManifestTest : public ::testing::TestWithParam<Wrong> {};

TEST_P(BadManifestTest, SaysWhatIsWrongAndWhere) {
  const Manifest manifest("list", GetParam().text, GetParam().format);

  EXPECT_THAT(manifest.Check(), ElementsAre(HasSubstr(GetParam().message)));
}

constexpr auto kAuto = ManifestFormat::kAuto;
constexpr auto kCsv = ManifestFormat::kCsv;
constexpr auto kMetalink = ManifestFormat::kMetalink;

INSTANTIATE_TEST_SUITE_P(
    Csv, BadManifestTest,
    ::testing::Values(
        Wrong{"Empty", kCsv, "", "no line that names the columns"},
        Wrong{"NoUrlColumn", kCsv, "destination\nfile:a\n", "list:1: no column \"url\""},
        Wrong{"UnknownColumn", kAuto, "url,dest\n", "list:1: unknown column \"dest\""},
        Wrong{"BareLabel", kAuto, "url,label.\n", "unknown column \"label.\""},
        Wrong{"ColumnTwice", kAuto, "url,size,size\n", "\"size\" is there twice"},
        Wrong{"TooFewFields", kAuto, "url,size\n\nhttp://a/\n", "list:3: 1 fields where the first"},
        Wrong{"NoUrl", kAuto, "url,size\n,5\n", "list:2: no URL"},
        Wrong{"TooManyUrls", kAuto, "url\na a a a a a a a a a a a a a a a a\n",
              "list:2: column \"url\": more than 16"},
        Wrong{"Sha256", kAuto, "url,sha256\nhttp://a/,ab\n", "list:2: column \"sha256\""},
        Wrong{"Digests", kAuto, "url,digests\nhttp://a/,sha1-x\n", "column \"digests\""},
        Wrong{"Size", kAuto, "url,size\nhttp://a/,-1\n", "whole number of bytes"},
        Wrong{"Priority", kAuto, "url,priority\nhttp://a/,-101\n", "-100 to 100"},
        Wrong{"Overwrite", kAuto, "url,overwrite\nhttp://a/,maybe\n", "maybe"},
        Wrong{"Range", kAuto, "url,range\nhttp://a/,9-1\n", "FIRST-LAST"},
        Wrong{"Quoting", kAuto, "url\nhttp://a/\n\"http://b/\n", "list:3: a quoted field"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Metalink, BadManifestTest,
    ::testing::Values(
        Wrong{"Empty", kMetalink, "", "list:1: not well-formed XML: no element found"},
        Wrong{"NotXml", kMetalink, "http://a/", "not well-formed XML"},
        Wrong{"CutShort", kAuto, "<metalink xmlns=\"urn:ietf:params:xml:ns:metalink\">",
              "not well-formed XML"},
        Wrong{"Version3", kAuto, "<metalink xmlns=\"http://www.metalinker.org/\"/>",
              "not a Metalink 4 document"},
        Wrong{"OtherDocument", kAuto, "<html/>", "not a Metalink 4 document"},
        Wrong{"DocumentType", kAuto,
              "<!DOCTYPE m [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]>"
              "<metalink xmlns=\"urn:ietf:params:xml:ns:metalink\">&b;</metalink>",
              "document type declaration"},
        Wrong{"UnknownEntity", kAuto, Metalink("<file name=\"a\"><url>&x;</url></file>"),
              "list:3: not well-formed XML: undefined entity"},
        Wrong{"NoName", kAuto, Metalink("<file><url>http://a/</url></file>"), "list:3: the file's"},
        Wrong{"Absolute", kAuto, Metalink("<file name=\"/a\"><url>http://a/</url></file>"),
              "\"/a\""},
        Wrong{"Traversal", kAuto, Metalink("<file name=\"a/../../b\"><url>http://a/</url></file>"),
              "a/../../b"},
        Wrong{"Here", kAuto, Metalink("<file name=\"./b\"><url>http://a/</url></file>"), "./b"},
        Wrong{"Drive", kAuto, Metalink("<file name=\"C:b\"><url>http://a/</url></file>"), "C:b"},
        Wrong{"Backslash", kAuto, Metalink("<file name=\"a\\b\"><url>http://a/</url></file>"),
              "a\\b"},
        Wrong{"Placeholder", kAuto, Metalink("<file name=\"{job}\"><url>http://a/</url></file>"),
              "{job}"},
        Wrong{"NoUrl", kAuto, Metalink("<file name=\"a\"><size>5</size></file>"),
              "file \"a\" has no http or https URL"},
        Wrong{"OnlyFtp", kAuto, Metalink("<file name=\"a\"><url>ftp://a/</url></file>"),
              "no http or https URL"},
        Wrong{"Size", kAuto,
              Metalink("<file name=\"a\"><size>5 MB</size><url>http://a/</url></file>"),
              "its size is not"},
        Wrong{"Hash", kAuto,
              Metalink(
                  "<file name=\"a\"><hash type=\"sha-256\">zz</hash><url>http://a/</url></file>"),
              "list:3: file \"a\": \"sha256:zz\""},
        Wrong{"LongText", kAuto,
              Metalink(Concat("<file name=\"a\"><url>http://", std::string(9000, 'a'),
                              "</url></file>")),
              "more than 8,192 bytes"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(Lines, BadManifestTest,
                         ::testing::Values(Wrong{"JsonAmongLines", ManifestFormat::kLines,
                                                 "{\"url\": \"http://a/\"}", "--format jsonl"},
                                           Wrong{"LineAmongJson", ManifestFormat::kJsonLines,
                                                 "http://a/", "not a JSON object"}),
                         [](const auto& info) { return info.param.name; });

TEST(CsvManifestTest, ColumnsFillTheRequest) {
  const auto entries = Entries(Concat(
      "\xef\xbb\xbf", "url,destination,sha256,digests,size,request_id,priority,overwrite,range,",
      "label.team,header.Accept,entry,error\r\n", "http://a/ http://b/,\"file:x,y\",", kEmptyHex,
      ",md5:d41d8cd98f00b204e9800998ecf8427e,7,r-1,-5,",
      "never,0-9,core,text/plain,12,HTTP 404\r\n", "http://c/,,,,,,,,,,,,\r\n"));

  ASSERT_EQ(entries.size(), 2u);
  const v1::CreateJobRequest& request = entries[0].request;
  EXPECT_THAT(request.job().spec().urls(), ElementsAre("http://a/", "http://b/"));
  EXPECT_EQ(request.job().destination(), "file:x,y");
  EXPECT_THAT(request.job().spec().digests(), ElementsAre(kEmptySri, HasSubstr("md5-")));
  EXPECT_EQ(request.job().spec().expected_size(), 7u);
  EXPECT_EQ(request.request_id(), "r-1");
  EXPECT_EQ(request.job().priority(), -5);
  EXPECT_EQ(request.job().overwrite(), v1::Job::OVERWRITE_NEVER);
  EXPECT_EQ(request.job().spec().range().last(), 9u);
  EXPECT_EQ(request.job().labels().at("team"), "core");
  EXPECT_EQ(request.job().spec().headers(0).name(), "Accept");
  EXPECT_EQ(entries[0].place, "list:2");
  EXPECT_EQ(entries[0].number, 2);
  // Empty cells say nothing.
  EXPECT_EQ(entries[1].request.job().destination(), "");
  EXPECT_FALSE(entries[1].request.job().spec().has_expected_size());
  EXPECT_THAT(entries[1].request.job().labels(), IsEmpty());
}

TEST(CsvManifestTest, IsRecognisedByItsUrlColumn) {
  EXPECT_EQ(FormatOf("size,url\n"), ManifestFormat::kCsv);
  EXPECT_EQ(FormatOf("\n\"url\"\nhttp://a/\n"), ManifestFormat::kCsv);
  EXPECT_EQ(FormatOf("http://a/?x=1,url=2\n"), ManifestFormat::kAuto);
  EXPECT_EQ(FormatOf("{\"url\": \"http://a/\"}\n"), ManifestFormat::kAuto);
  EXPECT_EQ(FormatOf("# list\n  <metalink/>"), ManifestFormat::kMetalink);
  EXPECT_EQ(FormatOf(""), ManifestFormat::kAuto);
}

TEST(MetalinkTest, FilesFillRequests) {
  const auto entries = Entries(Metalink(Concat(
      "<generator>x</generator>\n",
      "<file name=\"dir/a.iso\">\n <size> 14471447 </size>\n <identity>A</identity>\n",
      " <hash type=\"sha-256\">", kEmptyHex, "</hash><hash type=\"sha-1\">aa</hash>\n",
      " <pieces length=\"5\" type=\"sha-256\"><hash>", std::string(64, '0'), "</hash></pieces>\n",
      " <url priority=\"2\">https://second/</url>\n <url>http://last/?a=1&amp;b=2</url>\n",
      " <url location=\"de\" priority=\"1\">http://first/</url>\n <url "
      "priority=\"1\">ftp://x/</url>\n",
      " <metaurl mediatype=\"torrent\">http://t/</metaurl>\n",
      " <x:url xmlns:x=\"urn:other\">http://other/</x:url>\n</file>\n",
      "<file name=\"b\"><url>http://b/</url></file>\n")));

  ASSERT_EQ(entries.size(), 2u);
  const v1::Job& job = entries[0].request.job();
  EXPECT_EQ(job.destination(), "file:dir/a.iso");
  EXPECT_THAT(job.spec().urls(),
              ElementsAre("http://first/", "https://second/", "http://last/?a=1&b=2"));
  EXPECT_EQ(job.spec().expected_size(), 14471447u);
  EXPECT_THAT(job.spec().digests(), ElementsAre(kEmptySri));
  EXPECT_EQ(entries[0].place, "list:4");
  EXPECT_EQ(entries[0].number, 1);
  EXPECT_EQ(entries[1].request.job().destination(), "file:b");
  EXPECT_EQ(entries[1].number, 2);
}

TEST(MetalinkTest, TheFirstSixteenMirrorsByPriorityAreTaken) {
  std::string urls;
  for (int i = 40; i > 0; --i) {
    urls += Concat("<url priority=\"", i, "\">http://m", i, "/</url>");
  }
  const auto entries = Entries(Metalink(Concat("<file name=\"a\">", urls, "</file>")));

  ASSERT_EQ(entries.size(), 1u);
  ASSERT_EQ(entries[0].request.job().spec().urls_size(), 16);
  EXPECT_EQ(entries[0].request.job().spec().urls(0), "http://m1/");
  EXPECT_EQ(entries[0].request.job().spec().urls(15), "http://m16/");
}

TEST(MetalinkTest, AFileThatIsWrongHidesNoOther) {
  const Manifest manifest(
      "list", Metalink("<file name=\"..\"><url>http://a/</url></file>\n"
                       "<file name=\"b\"><url>http://b/</url></file>\n<file name=\"c\"/>\n"));

  EXPECT_THAT(manifest.Check(), ElementsAre(HasSubstr("list:3: "), HasSubstr("list:5: ")));
}

TEST(MetalinkTest, ADocumentLargerThanOnePieceIsReadWhole) {
  std::string files;
  for (int i = 0; i < 30'000; ++i) {
    files += Concat("<file name=\"f", i, "\"><url>http://origin/f", i, "</url></file>\n");
  }
  const auto entries = Entries(Metalink(files));

  ASSERT_EQ(entries.size(), 30'000u);
  EXPECT_EQ(entries.back().request.job().destination(), "file:f29999");
}

}  // namespace
}  // namespace fetchd::cli
