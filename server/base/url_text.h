// The byte level of URLs: percent-encoding, dot segments and file names. For url.cc and
// url_host.cc.
#pragma once

#include <string>
#include <string_view>

namespace fetchd {

/// Decodes every %XX; a '%' without two hex digits stays as it is (WHATWG "percent-decode").
std::string PercentDecode(std::string_view text);

/// Which characters stay as they are. Of a URL that is there: all that its path or query can hold
/// raw (WHATWG "percent-encode sets"). Of text that is to become part of one: only those that
/// RFC 3986 2.3 calls unreserved, and in kSegments '/' too; so a '%' of the text is encoded.
enum class UrlPart { kPath, kQuery, kText, kSegments };
std::string PercentEncode(std::string_view text, UrlPart part);

/// A path that starts with '/', with "." and ".." segments (also written %2e) resolved; never
/// climbs above "/".
std::string RemoveDotSegments(std::string_view path);

/// A name for one file in one directory: control characters, separators and bytes that are not
/// UTF-8 become
/// '_'; "." and ".." too; at most 255 bytes. Empty becomes "index".
std::string SafeFileName(std::string_view name);

}  // namespace fetchd
