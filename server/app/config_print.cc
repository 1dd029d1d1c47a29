#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "app/config_loader.h"
#include "app/config_schema.h"
#include "app/config_values.h"
#include "base/strings.h"

namespace fetchd::app {
namespace {

constexpr std::string_view kIndent = "  ";

/// Keys as the tree that YAML shows: a section is opened once, whatever the order of its keys.
class Section {
 public:
  Section& Below(const std::string& name) {
    const auto found = std::ranges::find(sections_, name, &Section::name_);
    return found != sections_.end() ? *found : sections_.emplace_back(name);
  }
  void Add(std::string lines) { lines_.push_back(std::move(lines)); }

  std::string Print(const std::string& indent = "") const {
    std::string out;
    for (const std::string& lines : lines_) out += lines;
    for (const Section& section : sections_) {
      if (indent.empty()) out += '\n';
      out += Concat(indent, section.name_, ":\n", section.Print(Concat(indent, kIndent)));
    }
    return out;
  }

  Section() = default;
  explicit Section(std::string name) : name_(std::move(name)) {}

 private:
  std::string name_;
  std::vector<std::string> lines_;
  std::vector<Section> sections_;
};

std::vector<std::string> Split(const std::string& path) {
  std::vector<std::string> parts;
  std::size_t from = 0;
  for (std::size_t dot; (dot = path.find('.', from)) != std::string::npos; from = dot + 1) {
    parts.push_back(path.substr(from, dot - from));
  }
  parts.push_back(path.substr(from));
  return parts;
}

void Add(const ConfigKey& key, const std::string& chosen, const std::string& value,
         const std::string& default_value, Section& root) {
  const std::vector<std::string> parts = Split(key.name);
  Section* section = &root;
  std::string indent;
  for (std::size_t i = 0; i + 1 < parts.size(); ++i, indent += kIndent) {
    section = &section->Below(parts[i] == "<name>" ? WriteText(chosen) : parts[i]);
  }
  section->Add(Concat(indent, "# ", key.help, '\n', indent, "# ", key.type, "; default ",
                      default_value.empty() ? "none" : default_value, "; ", EnvironmentName(key),
                      '\n', indent, parts.back(), ": ", value, '\n'));
}

}  // namespace

std::string PrintConfig(const Config& config) {
  const Config defaults;
  Section root;
  for (const ConfigKey& key : ConfigKeys()) {
    const auto default_values = key.write(defaults);
    const std::string default_value = default_values.empty() ? "" : default_values.front().second;
    for (const auto& [chosen, value] : key.write(config)) {
      Add(key, chosen, value, default_value, root);
    }
  }
  return Concat("# Configuration of fetchd: the values in effect.\n\n", root.Print());
}

}  // namespace fetchd::app
