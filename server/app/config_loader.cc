#include "app/config_loader.h"

#include <yaml-cpp/yaml.h>

#include <fstream>
#include <set>
#include <sstream>

#include "app/config_schema.h"
#include "base/strings.h"

namespace fetchd::app {
namespace {

/// Collects what one source says.
class Loader {
 public:
  explicit Loader(LoadedConfig& loaded) : loaded_(loaded) {}

  void ReadFile(const std::string& path);
  void ReadVariable(const std::string& variable);
  void ReadSetting(const std::string& setting);

 private:
  void ReadTree(const std::string& path, const std::string& prefix, const YAML::Node& node);
  void ReadEntry(const std::string& where, const std::string& key, const YAML::Node& node);
  void Apply(const std::string& where, const std::string& path, const KeyMatch& match,
             const YAML::Node& value);
  void ApplyText(const std::string& where, const std::string& path, const KeyMatch& match,
                 const std::string& text);
  void UnknownKey(const std::string& where, const std::string& path);
  void Error(const std::string& where, const std::string& what) {
    loaded_.errors.push_back(Concat(where, ": ", what));
  }

  LoadedConfig& loaded_;
  std::set<std::string> seen_;
};

std::string At(const std::string& file, const YAML::Mark& mark) {
  return mark.is_null() ? file : Concat(file, ':', mark.line + 1);
}

void Loader::ReadFile(const std::string& path) {
  std::ifstream stream(path);
  std::stringstream text;
  if (!stream || !(text << stream.rdbuf() || stream.eof())) {
    return Error(path, "cannot be read; check the path and its permissions");
  }
  try {
    const YAML::Node root = YAML::Load(text.str());
    if (root.IsNull()) return;
    if (!root.IsMap())
      return Error(path, "expects keys and values, such as \"data_dir: /srv/fetchd\"");
    ReadTree(path, "", root);
  } catch (const YAML::Exception& error) {
    Error(At(path, error.mark), Concat("not YAML: ", error.msg));
  }
}

void Loader::ReadTree(const std::string& path, const std::string& prefix, const YAML::Node& node) {
  for (const auto& entry : node) {
    if (!entry.first.IsScalar()) {
      Error(At(path, entry.first.Mark()), "a key must be a name");
      continue;
    }
    const std::string& name = entry.first.Scalar();
    const std::string key = prefix.empty() ? name : Concat(prefix, '.', name);
    const bool section = FindKey(key).key == nullptr && entry.second.IsMap();
    if (section && entry.second.size() > 0) {
      ReadTree(path, key, entry.second);
    } else if (!(IsSection(key) && (entry.second.IsNull() || section))) {
      ReadEntry(At(path, entry.first.Mark()), key, entry.second);
    }
  }
}

void Loader::ReadEntry(const std::string& where, const std::string& key, const YAML::Node& node) {
  const KeyMatch match = FindKey(key);
  if (match.key == nullptr) return UnknownKey(where, key);
  if (!seen_.insert(key).second) return Error(where, Concat(key, ": is given twice"));
  Apply(where, key, match, node);
}

void Loader::ReadVariable(const std::string& variable) {
  const std::size_t equals = variable.find('=');
  const std::string name = variable.substr(0, equals);
  if (equals == std::string::npos || !name.starts_with("FETCHD_")) return;
  const KeyMatch match = FindEnvironmentKey(name);
  if (match.key != nullptr) {
    return ApplyText("environment", name, match, variable.substr(equals + 1));
  }
  // Kubernetes describes a service named fetchd by FETCHD_SERVICE_HOST, FETCHD_PORT and so on; the
  // path of the file is ours.
  const bool known = name == "FETCHD_CONFIG" || name.starts_with("FETCHD_SERVICE_") ||
                     name.starts_with("FETCHD_PORT");
  if (!known) loaded_.warnings.push_back(Concat("environment: ", name, " is no setting; ignored"));
}

void Loader::ReadSetting(const std::string& setting) {
  const std::size_t equals = setting.find('=');
  const std::string path = setting.substr(0, equals);
  if (equals == std::string::npos || path.empty()) {
    return Error("--set", Concat('"', setting, "\" is not key=value"));
  }
  const KeyMatch match = FindKey(path);
  if (match.key == nullptr) return UnknownKey("--set", path);
  ApplyText("--set", path, match, setting.substr(equals + 1));
}

void Loader::ApplyText(const std::string& where, const std::string& path, const KeyMatch& match,
                       const std::string& text) {
  const bool quoted = text.starts_with('"') || text.starts_with('\'');
  if (match.key->is_text && !quoted) return Apply(where, path, match, YAML::Node(text));
  try {
    Apply(where, path, match, YAML::Load(text));
  } catch (const YAML::Exception& error) {
    Error(where, Concat(path, ": not YAML: ", error.msg));
  }
}

void Loader::Apply(const std::string& where, const std::string& path, const KeyMatch& match,
                   const YAML::Node& value) {
  const absl::Status status = match.key->read(value, match.chosen, loaded_.config);
  if (!status.ok()) Error(where, Concat(path, ": ", MessageOf(status)));
}

void Loader::UnknownKey(const std::string& where, const std::string& path) {
  if (IsSection(path)) {
    return Error(where, Concat(path, ": is a section; give the keys below it, not a value"));
  }
  const std::string nearest = NearestKey(path);
  Error(where, Concat(path, ": unknown key; ",
                      nearest.empty() ? std::string("fetchd --print-config lists all keys")
                                      : Concat("did you mean ", nearest, '?')));
}

void ReadProxies(const std::vector<std::string>& environment, LoadedConfig& loaded) {
  ProxyEnvironment& read = loaded.config.proxy.environment;
  read = ReadProxyEnvironment(environment);
  loaded.errors.insert(loaded.errors.end(), read.errors.begin(), read.errors.end());
  loaded.warnings.insert(loaded.warnings.end(), read.warnings.begin(), read.warnings.end());
}

}  // namespace

LoadedConfig LoadConfig(const ConfigSources& sources) {
  LoadedConfig loaded;
  if (sources.file) Loader(loaded).ReadFile(*sources.file);
  for (const std::string& variable : sources.environment) Loader(loaded).ReadVariable(variable);
  for (const std::string& setting : sources.settings) Loader(loaded).ReadSetting(setting);
  if (loaded.config.proxy.from_environment) ReadProxies(sources.environment, loaded);
  return loaded;
}

}  // namespace fetchd::app
