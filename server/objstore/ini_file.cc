#include "objstore/ini_file.h"

#include <algorithm>

#include "base/strings.h"

namespace fetchd::objstore {
namespace {

absl::Status IniError(std::size_t line, std::string_view what) {
  return absl::InvalidArgumentError(Concat("line ", line, ": ", what));
}

/// A comment behind a value begins with white space.
std::string_view WithoutComment(std::string_view value) {
  for (std::size_t i = 1; i < value.size(); ++i) {
    const bool mark = value[i] == '#' || value[i] == ';';
    if (mark && (value[i - 1] == ' ' || value[i - 1] == '\t')) return value.substr(0, i);
  }
  return value;
}

/// "[ name ]", and maybe a comment.
absl::StatusOr<std::string> SectionName(std::string_view line, std::size_t number) {
  const std::size_t end = line.find(']');
  if (end == std::string_view::npos) return IniError(number, "'[' without ']'");
  const std::string_view rest = TrimWhitespace(line.substr(end + 1));
  if (!rest.empty() && rest.front() != '#' && rest.front() != ';') {
    return IniError(number, "something behind ']'");
  }
  const std::string_view name = TrimWhitespace(line.substr(1, end - 1));
  if (name.empty()) return IniError(number, "a section without a name");
  return std::string(name);
}

}  // namespace

absl::StatusOr<IniFile> ParseIni(std::string_view text) {
  IniFile file;
  std::map<std::string, std::string>* section = nullptr;
  for (std::size_t number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const bool indented = line.starts_with(' ') || line.starts_with('\t');
    line = TrimWhitespace(line);
    if (line.empty() || line.front() == '#' || line.front() == ';' || indented) continue;
    if (line.front() == '[') {
      ASSIGN_OR_RETURN(const std::string name, SectionName(line, number));
      section = &file[name];
      continue;
    }
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) return IniError(number, "expects key = value");
    const std::string key = AsciiLower(TrimWhitespace(line.substr(0, equals)));
    if (key.empty()) return IniError(number, "a value without a key");
    if (section == nullptr) return IniError(number, "a value before the first [section]");
    const std::string_view value = WithoutComment(line.substr(equals + 1));
    (*section)[key] = std::string(TrimWhitespace(value));
  }
  return file;
}

}  // namespace fetchd::objstore
