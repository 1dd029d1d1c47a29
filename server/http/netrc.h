// The .netrc format: logins by host.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/secret.h"
#include "base/status.h"

namespace fetchd::http {

/// A user name and a password, however they are sent.
struct Login {
  std::string username;
  Secret password;
  friend bool operator==(const Login&, const Login&) = default;
};

/// Immutable. Words are separated by white space; one that begins with '"' ends at the next '"',
/// with \" \\ \n \r \t inside; '#' where a keyword may stand begins a comment. `account` is
/// skipped, and `macdef` up to the next empty line. Of several entries for a machine the first
/// counts; one without login and password is nobody's login, also not that of `default`.
class Netrc {
 public:
  Netrc() = default;
  /// INVALID_ARGUMENT "line N: ..." that never repeats a word of the file.
  static absl::StatusOr<Netrc> Parse(std::string_view text);

  /// The login of `machine HOST`. `host` as in Url::host().
  const Login* ForHost(const std::string& host) const;
  /// The login of `default`, unless a `machine` names `host`.
  const Login* ForOtherHost(const std::string& host) const;
  bool empty() const { return machines_.empty() && !default_; }

 private:
  class Parser;
  std::map<std::string, std::optional<Login>> machines_;  ///< By host; nullopt: incomplete.
  std::optional<Login> default_;
};

}  // namespace fetchd::http
