#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "app/config_loader.h"
#include "app/config_schema.h"
#include "base/strings.h"

namespace fetchd::app {
namespace {

std::vector<std::string> Split(const std::string& path) {
  std::vector<std::string> parts;
  std::size_t from = 0;
  for (std::size_t dot; (dot = path.find('.', from)) != std::string::npos; from = dot + 1) {
    parts.push_back(path.substr(from, dot - from));
  }
  parts.push_back(path.substr(from));
  return parts;
}

/// Writes keys as nested sections; a section stays open while the keys of it follow each other.
class Printer {
 public:
  void Add(const std::string& path, const std::string& value, const ConfigKey& key,
           const std::string& default_value) {
    const std::vector<std::string> parts = Split(path);
    const std::size_t depth = parts.size() - 1;
    std::size_t shared = 0;
    while (shared < depth && shared < open_.size() && open_[shared] == parts[shared]) ++shared;
    open_.resize(shared);
    for (; open_.size() < depth; open_.push_back(parts[open_.size()])) {
      if (open_.empty()) out_ += '\n';
      out_ += Concat(Indent(open_.size()), parts[open_.size()], ":\n");
    }
    out_ += Concat(Indent(depth), "# ", key.help, '\n');
    out_ +=
        Concat(Indent(depth), "# ", key.type, "; default ",
               default_value.empty() ? "none" : default_value, "; ", EnvironmentName(key), '\n');
    out_ += Concat(Indent(depth), parts.back(), ": ", value, '\n');
  }
  std::string Finish() && { return std::move(out_); }

 private:
  static std::string Indent(std::size_t depth) { return std::string(2 * depth, ' '); }

  std::vector<std::string> open_;
  std::string out_ = "# Configuration of fetchd: the values in effect.\n\n";
};

std::string PathOf(const ConfigKey& key, const std::string& chosen) {
  std::string path = key.name;
  const std::size_t at = path.find("<name>");
  if (at != std::string::npos) path.replace(at, std::string_view("<name>").size(), chosen);
  return path;
}

/// Keys by section, sections in the order of their first key: a YAML map may not be opened twice.
std::vector<const ConfigKey*> BySection() {
  std::vector<const ConfigKey*> ordered;
  std::set<std::string> done;
  for (const ConfigKey& first : ConfigKeys()) {
    const std::string section = Split(first.name).front();
    if (!done.insert(section).second) continue;
    for (const ConfigKey& key : ConfigKeys()) {
      if (Split(key.name).front() == section) ordered.push_back(&key);
    }
  }
  return ordered;
}

}  // namespace

std::string PrintConfig(const Config& config) {
  const Config defaults;
  Printer printer;
  for (const ConfigKey* key : BySection()) {
    const auto default_values = key->write(defaults);
    const std::string default_value = default_values.empty() ? "" : default_values.front().second;
    for (const auto& [chosen, value] : key->write(config)) {
      printer.Add(PathOf(*key, chosen), value, *key, default_value);
    }
  }
  return std::move(printer).Finish();
}

}  // namespace fetchd::app
