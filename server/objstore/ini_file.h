// The format of ~/.aws/credentials and ~/.aws/config.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/status.h"

namespace fetchd::objstore {

/// Sections by name, and the values of each by key in lower case. A key that is set twice has its
/// last value, a section that comes twice is one.
using IniFile = std::map<std::string, std::map<std::string, std::string>, std::less<>>;

/// Lines: "[section]", "key = value", comments that begin with '#' or ';' in the first column or
/// after white space and '#' in a line of their own; indented lines belong to the value above (AWS
/// uses them for nested settings) and are passed over. INVALID_ARGUMENT "line N: ..." that repeats
/// nothing of the file.
absl::StatusOr<IniFile> ParseIni(std::string_view text);

}  // namespace fetchd::objstore
