#include "cli/cells.h"

#include <wchar.h>

#include <cstdint>

#include "base/utf8.h"

namespace fetchd::cli {
namespace {

/// Marks and overrides of direction: text after them would be shown in another order.
bool TurnsText(std::uint32_t character) {
  return character == 0x61c || character == 0x200e || character == 0x200f ||
         (character >= 0x202a && character <= 0x202e) ||
         (character >= 0x2066 && character <= 0x2069);
}

/// Columns of a character; negative when it is not to be shown.
int WidthOf(std::uint32_t character) {
  if (character < 0x20 || (character >= 0x7f && character < 0xa0)) return -1;
  if (character < 0x7f) return 1;
  return TurnsText(character) ? -1 : wcwidth(static_cast<wchar_t>(character));
}

Cells Fitted(std::string_view text, std::size_t columns) {
  Cells all = CutToCells(text, columns);
  if (all.whole || columns == 0) return all;
  Cells cut = CutToCells(text, columns - 1);
  cut.text += '~';
  cut.columns += 1;
  return cut;
}

}  // namespace

Cells CutToCells(std::string_view text, std::size_t columns) {
  Cells cells;
  while (!text.empty()) {
    const CodePoint point = DecodeUtf8(text);
    const std::size_t bytes = point.size == 0 ? 1 : point.size;
    const int width = point.size == 0 ? -1 : WidthOf(point.value);
    const std::size_t takes = width < 0 ? 1 : static_cast<std::size_t>(width);
    if (cells.columns + takes > columns) {
      cells.whole = false;
      break;
    }
    if (width < 0) cells.text += '?';
    if (width > 0) cells.text += text.substr(0, bytes);
    cells.columns += takes;
    text.remove_prefix(bytes);
  }
  return cells;
}

std::string LeftCell(std::string_view text, std::size_t columns) {
  Cells cells = Fitted(text, columns);
  return cells.text + std::string(columns - cells.columns, ' ');
}

std::string RightCell(std::string_view text, std::size_t columns) {
  Cells cells = Fitted(text, columns);
  return std::string(columns - cells.columns, ' ') + cells.text;
}

}  // namespace fetchd::cli
