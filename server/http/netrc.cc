#include "http/netrc.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "base/url.h"

namespace fetchd::http {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

class Words {
 public:
  explicit Words(std::string_view text) : text_(text) {}

  /// Up to the next word that is not in a comment. False at the end.
  bool SkipToKeyword() {
    SkipSpace();
    while (at_ < text_.size() && text_[at_] == '#') {
      SkipTo("\n");
      SkipSpace();
    }
    return at_ < text_.size();
  }
  void SkipMacro() {
    const std::size_t empty_line = text_.find("\n\n", at_);
    const std::size_t dos_empty_line = text_.find("\n\r\n", at_);
    at_ = std::min({empty_line, dos_empty_line, text_.size()});
  }
  absl::StatusOr<std::string> Next(std::string_view after) {
    SkipSpace();
    if (at_ == text_.size()) return Error(Concat("a word is missing after ", after));
    if (text_[at_] == '"') return NextQuoted();
    const std::size_t from = at_;
    while (at_ < text_.size() && !IsSpace(text_[at_])) ++at_;
    return std::string(text_.substr(from, at_ - from));
  }
  absl::Status Error(std::string_view what) const {
    const auto line = 1 + std::ranges::count(text_.substr(0, at_), '\n');
    return absl::InvalidArgumentError(Concat("line ", line, ": ", what));
  }

 private:
  void SkipSpace() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
  }
  void SkipTo(std::string_view end) { at_ = std::min(text_.find(end, at_), text_.size()); }
  absl::StatusOr<std::string> NextQuoted() {
    std::string word;
    for (std::size_t i = at_ + 1; i < text_.size(); ++i) {
      if (text_[i] == '"') {
        at_ = i + 1;
        return word;
      }
      const bool escaped = text_[i] == '\\';
      if (escaped && ++i == text_.size()) break;
      word.push_back(escaped ? Unescaped(text_[i]) : text_[i]);
    }
    return Error("a quotation that does not end");
  }
  static char Unescaped(char c) {
    if (c == 'n') return '\n';
    if (c == 'r') return '\r';
    return c == 't' ? '\t' : c;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

/// As Url::host() writes it; empty for what is no host, and so matches none.
std::string Canonical(const std::string& name) {
  if (!name.starts_with('[') && name.find_first_of("/?#@:") != std::string::npos) return {};
  const absl::StatusOr<Url> url = Url::Parse(Concat("http://", name));
  return url.ok() ? url->host() : std::string();
}

}  // namespace

/// Reads entry by entry.
class Netrc::Parser {
 public:
  Parser(std::string_view text, Netrc& out) : words_(text), out_(out) {}

  absl::Status Parse() {
    while (words_.SkipToKeyword()) {
      ASSIGN_OR_RETURN(const std::string keyword, words_.Next("the last one"));
      RETURN_IF_ERROR(Take(keyword));
    }
    Keep();
    return absl::OkStatus();
  }

 private:
  absl::Status Take(const std::string& keyword) {
    if (keyword == "machine") {
      Keep();
      ASSIGN_OR_RETURN(const std::string name, words_.Next(keyword));
      host_ = Canonical(name);
      place_ = Place::kMachine;
      return absl::OkStatus();
    }
    if (keyword == "default") {
      Keep();
      place_ = Place::kDefault;
      return absl::OkStatus();
    }
    if (keyword == "macdef") {
      RETURN_IF_ERROR(words_.Next(keyword).status());
      words_.SkipMacro();
      return absl::OkStatus();
    }
    return TakeOfEntry(keyword);
  }

  absl::Status TakeOfEntry(const std::string& keyword) {
    const bool known = keyword == "login" || keyword == "password" || keyword == "account";
    if (!known || place_ == Place::kNone) {
      return words_.Error("expects machine or default, and then login, password or account");
    }
    ASSIGN_OR_RETURN(std::string value, words_.Next(keyword));
    if (keyword == "login" && value.contains(':')) {
      return words_.Error("a login cannot hold a colon (RFC 7617 2)");
    }
    if (keyword == "login") {
      username_ = std::move(value);
    } else if (keyword == "password") {
      password_ = Secret(std::move(value));
    }
    return absl::OkStatus();
  }

  /// The entry that has been read so far.
  void Keep() {
    std::optional<Login> login;
    if (username_ && password_) login = Login{*std::move(username_), *std::move(password_)};
    if (place_ == Place::kMachine) {
      out_.machines_.emplace(std::move(host_), std::move(login));
    } else if (place_ == Place::kDefault && !out_.default_) {
      out_.default_ = std::move(login);
    }
    place_ = Place::kNone;
    username_.reset();
    password_.reset();
  }

  enum class Place { kNone, kMachine, kDefault };
  Words words_;
  Netrc& out_;
  Place place_ = Place::kNone;
  std::string host_;
  std::optional<std::string> username_;
  std::optional<Secret> password_;
};

absl::StatusOr<Netrc> Netrc::Parse(std::string_view text) {
  Netrc netrc;
  RETURN_IF_ERROR(Parser(text, netrc).Parse());
  return netrc;
}

const Login* Netrc::ForHost(const std::string& host) const {
  const auto found = machines_.find(host);
  return found == machines_.end() || !found->second ? nullptr : &*found->second;
}

const Login* Netrc::ForOtherHost(const std::string& host) const {
  return default_ && !machines_.contains(host) ? &*default_ : nullptr;
}

}  // namespace fetchd::http
