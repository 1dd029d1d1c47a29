// Text from elsewhere in columns of a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace fetchd::cli {

/// How much of a text fits, and what it takes.
struct Cells {
  std::string text;
  std::size_t columns = 0;
  bool whole = true;  ///< All of the text.
};

/// The beginning of `text` that fits into `columns`, safe to print: what is no character of UTF-8,
/// controls a terminal or changes the direction of text is '?'; marks that combine with the
/// character before are left out. Wide characters take two columns. Needs a locale with UTF-8, else
/// whatever is not ASCII is '?'.
Cells CutToCells(std::string_view text, std::size_t columns);

/// As wide as `columns`: cut, the last one then being '~', or filled with spaces.
std::string LeftCell(std::string_view text, std::size_t columns);
std::string RightCell(std::string_view text, std::size_t columns);

}  // namespace fetchd::cli
