#include <gtest/gtest.h>

#include "base/url.h"

namespace fetchd {
namespace {

struct Resolution {
  std::string_view reference;
  std::string_view expected;
};

// RFC 3986 5.4, with the base in http; fragments are dropped.
class ResolveTest : public ::testing::TestWithParam<Resolution> {};

TEST_P(ResolveTest, FollowsTheRfc) {
  const Url base = *Url::Parse("http://a/b/c/d;p?q");
  const auto resolved = base.Resolve(GetParam().reference);
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_EQ(resolved->ToString(), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    Normal, ResolveTest,
    ::testing::Values(Resolution{"g", "http://a/b/c/g"}, Resolution{"./g", "http://a/b/c/g"},
                      Resolution{"g/", "http://a/b/c/g/"}, Resolution{"/g", "http://a/g"},
                      Resolution{"//g", "http://g/"}, Resolution{"?y", "http://a/b/c/d;p?y"},
                      Resolution{"g?y", "http://a/b/c/g?y"}, Resolution{"#s", "http://a/b/c/d;p?q"},
                      Resolution{"g#s", "http://a/b/c/g"}, Resolution{"g?y#s", "http://a/b/c/g?y"},
                      Resolution{";x", "http://a/b/c/;x"}, Resolution{"g;x", "http://a/b/c/g;x"},
                      Resolution{"", "http://a/b/c/d;p?q"}, Resolution{".", "http://a/b/c/"},
                      Resolution{"./", "http://a/b/c/"}, Resolution{"..", "http://a/b/"},
                      Resolution{"../", "http://a/b/"}, Resolution{"../g", "http://a/b/g"},
                      Resolution{"../..", "http://a/"}, Resolution{"../../", "http://a/"},
                      Resolution{"../../g", "http://a/g"}));

INSTANTIATE_TEST_SUITE_P(
    Abnormal, ResolveTest,
    ::testing::Values(
        Resolution{"../../../g", "http://a/g"}, Resolution{"../../../../g", "http://a/g"},
        Resolution{"/./g", "http://a/g"}, Resolution{"/../g", "http://a/g"},
        Resolution{"g.", "http://a/b/c/g."}, Resolution{".g", "http://a/b/c/.g"},
        Resolution{"g..", "http://a/b/c/g.."}, Resolution{"..g", "http://a/b/c/..g"},
        Resolution{"./../g", "http://a/b/g"}, Resolution{"./g/.", "http://a/b/c/g/"},
        Resolution{"g/./h", "http://a/b/c/g/h"}, Resolution{"g/../h", "http://a/b/c/h"},
        Resolution{"g;x=1/./y", "http://a/b/c/g;x=1/y"}, Resolution{"g;x=1/../y", "http://a/b/c/y"},
        Resolution{"g?y/./x", "http://a/b/c/g?y/./x"},
        Resolution{"g?y/../x", "http://a/b/c/g?y/../x"}, Resolution{"g#s/../x", "http://a/b/c/g"}));

INSTANTIATE_TEST_SUITE_P(
    Location, ResolveTest,
    ::testing::Values(Resolution{"https://x:8443/y?z", "https://x:8443/y?z"},
                      Resolution{"HTTP://X", "http://x/"}, Resolution{"//x:81/y", "http://x:81/y"},
                      Resolution{"g/a:b", "http://a/b/c/g/a:b"},
                      Resolution{"?a:b", "http://a/b/c/d;p?a:b"},
                      Resolution{"/\xc3\xbc?\xc3\xbc", "http://a/%C3%BC?%C3%BC"},
                      Resolution{"https://x/\xc3\xbc", "https://x/%C3%BC"},
                      Resolution{"/a b.iso?c d", "http://a/a%20b.iso?c%20d"},
                      Resolution{"https://x/a b", "https://x/a%20b"},
                      Resolution{"//b\xc3\xbc"
                                 "cher/\xc3\xbc",
                                 "http://xn--bcher-kva/%C3%BC"},
                      Resolution{"/%2e%2e/x", "http://a/x"}, Resolution{"?", "http://a/b/c/d;p?"}));

TEST(ResolveRefusalTest, IsAsStrictAsParse) {
  const Url base = *Url::Parse("https://a/b/c/d;p?q");
  for (const char* reference :
       {"ftp://h/", "file:///etc/passwd", "javascript:x", "g:h", "http:g", "https:", "http:/g",
        "//", "///g", "//u:p@h/", "//h:22/", "//127.1/", "//a b/", "http:/ /h/", "/a\\b", "\\\\h\\",
        "/a\r\nb", "/a\x7f", "//h\\@b/"}) {
    EXPECT_FALSE(base.Resolve(reference).ok()) << reference;
  }
}

TEST(ResolveRefusalTest, LengthIsThatOfTheResult) {
  const Url base = *Url::Parse("http://h/" + std::string(4000, 'a') + "/b");
  EXPECT_TRUE(base.Resolve(std::string(4000, 'c')).ok());
  EXPECT_FALSE(base.Resolve(std::string(5000, 'c')).ok());
  EXPECT_FALSE(base.Resolve("/" + std::string(8192, 'c')).ok());
}

TEST(ResolveRefusalTest, OptionsReachAbsoluteReferences) {
  const Url base = *Url::Parse("http://h/");
  EXPECT_EQ(base.Resolve("//127.1/", {Ipv4Forms::kWhatwg})->host(), "127.0.0.1");
}

}  // namespace
}  // namespace fetchd
