#include "app/config_tls_keys.h"

#include <optional>

#include "app/config_values.h"
#include "base/strings.h"

namespace fetchd::app {
namespace {

using Written = std::vector<std::pair<std::string, std::string>>;

/// A key `tls.profiles.<name>.<name>`. `at` finds the field, `read_value` reads it from the node
/// and `write_value` is the way back; nullopt where the profile does not say it.
template <typename At, typename Read, typename Write>
ConfigKey TlsProfileKey(const char* name, const char* type, bool is_text, At at, Read read_value,
                        Write write_value, const char* help) {
  return {Concat("tls.profiles.<name>.", name),
          type,
          help,
          is_text,
          [=](const YAML::Node& node, const std::string& chosen, Config& config) -> absl::Status {
            ASSIGN_OR_RETURN(at(config.tls_profiles[chosen]), read_value(node));
            return absl::OkStatus();
          },
          [=](const Config& config) {
            Written written;
            for (const auto& [chosen, profile] : config.tls_profiles) {
              const std::optional<std::string> value = write_value(at(profile));
              if (value) written.emplace_back(chosen, *value);
            }
            return written;
          }};
}

absl::StatusOr<std::vector<std::string>> ReadPins(const YAML::Node& node) {
  ASSIGN_OR_RETURN(std::vector<std::string> pins, ReadTextList(node));
  for (const std::string& pin : pins) RETURN_IF_ERROR(net::CheckPin(pin));
  return pins;
}

constexpr const char* kTlsVersions = "1.2 | 1.3";

absl::StatusOr<std::optional<net::TlsVersion>> ReadTlsVersion(const YAML::Node& node) {
  if (node.IsScalar() && node.Scalar() == "1.2") return net::TlsVersion::k12;
  if (node.IsScalar() && node.Scalar() == "1.3") return net::TlsVersion::k13;
  return absl::InvalidArgumentError(Concat("expects ", kTlsVersions));
}

std::optional<std::string> WriteTlsVersion(std::optional<net::TlsVersion> version) {
  if (!version) return std::nullopt;
  return version == net::TlsVersion::k12 ? "1.2" : "1.3";
}

std::optional<std::string> WriteIfSaid(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(WriteText(text));
}

ConfigKey CaFileKey() {
  return {"tls.ca_file",
          "path",
          "Certificate authorities (PEM) besides the system's, for jobs that name no profile.",
          true,
          [](const YAML::Node& node, const std::string&, Config& config) -> absl::Status {
            ASSIGN_OR_RETURN(config.tls.ca_file, ReadText(node));
            return absl::OkStatus();
          },
          [](const Config& config) { return Written{{"", WriteText(config.tls.ca_file)}}; }};
}

ConfigKey MinVersionKey() {
  return {
      "tls.min_version",
      kTlsVersions,
      "The oldest TLS that is spoken, where a profile says nothing else.",
      true,
      [](const YAML::Node& node, const std::string&, Config& config) -> absl::Status {
        ASSIGN_OR_RETURN(config.tls.min_version, ReadTlsVersion(node));
        return absl::OkStatus();
      },
      [](const Config& config) { return Written{{"", *WriteTlsVersion(config.tls.min_version)}}; }};
}

}  // namespace

std::vector<ConfigKey> TlsKeys() {
  return {
      CaFileKey(),
      MinVersionKey(),
      // Always written: a profile that says nothing is a profile all the same.
      TlsProfileKey(
          "ca_file", "path", true, [](auto& profile) -> auto& { return profile.ca_file; }, ReadText,
          [](const std::string& path) { return std::optional(WriteText(path)); },
          "A profile that jobs, origins and proxies may name: certificate authorities (PEM) "
          "besides "
          "the system's."),
      TlsProfileKey(
          "certificate_file", "path", true,
          [](auto& profile) -> auto& { return profile.certificate_file; }, ReadText, WriteIfSaid,
          "The client certificate (PEM, its intermediates after it). Not shown to another origin "
          "that a redirect leads to."),
      TlsProfileKey(
          "key_file", "path", true, [](auto& profile) -> auto& { return profile.key_file; },
          ReadText, WriteIfSaid, "Its private key (PEM, without passphrase)."),
      TlsProfileKey(
          "pins", "list of public key pins", false,
          [](auto& profile) -> auto& { return profile.pins; }, ReadPins,
          [](const std::vector<std::string>& pins) {
            return pins.empty() ? std::nullopt : std::optional(WriteTextList(pins));
          },
          "SHA-256 of public keys (SPKI) in base64: a certificate of the verified chain must have "
          "one of them."),
      TlsProfileKey(
          "min_version", kTlsVersions, true,
          [](auto& profile) -> auto& { return profile.min_version; }, ReadTlsVersion,
          WriteTlsVersion,
          "The oldest TLS that is spoken; where it is not given, tls.min_version."),
  };
}

}  // namespace fetchd::app
