// Bodies under content codings, as origins send them.
#pragma once

#include <string>
#include <string_view>

namespace fetchd::testing {

std::string Gzip(std::string_view body);
std::string Zlib(std::string_view body);        ///< What HTTP calls deflate...
std::string RawDeflate(std::string_view body);  ///< ... and what some servers take for it.
std::string Brotli(std::string_view body, int window_bits = 22);
std::string Zstd(std::string_view body, int window_bits = 0);  ///< 0: as the level has it.

}  // namespace fetchd::testing
