#include "http/auth_challenge.h"

#include <algorithm>
#include <optional>

#include "base/strings.h"
#include "http/tokens.h"

namespace fetchd::http {
namespace {

constexpr std::size_t kMaxChallenges = 16;
constexpr std::size_t kMaxParams = 32;

bool IsToken68Char(char c) {
  const bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  return alnum || std::string_view("-._~+/").contains(c);
}

/// Walks over one field value. A Take that does not find what it is for leaves the place alone.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool at_end() const { return rest_.empty(); }
  bool SkipBlanks() {
    return SkipWhile([](char c) { return c == ' ' || c == '\t'; });
  }
  void SkipBlanksAndCommas() {
    SkipWhile([](char c) { return c == ' ' || c == '\t' || c == ','; });
  }
  /// A list element ends here.
  bool AtBoundary() {
    SkipBlanks();
    return rest_.empty() || rest_.front() == ',';
  }

  std::optional<std::string_view> TakeToken() { return TakeRun(IsTokenChar); }

  /// "=", with the blanks that RFC 9110 11.2 tolerates around it.
  bool TakeEquals() {
    const std::string_view before = rest_;
    SkipBlanks();
    if (!rest_.starts_with('=')) {
      rest_ = before;
      return false;
    }
    rest_.remove_prefix(1);
    SkipBlanks();
    return true;
  }

  /// A token or a quoted-string; nullopt when it is neither or does not end.
  std::optional<std::string> TakeValue() {
    if (rest_.starts_with('"')) return TakeQuoted();
    const auto token = TakeToken();
    return token ? std::optional(std::string(*token)) : std::nullopt;
  }

  /// Only when nothing else is in this list element: "a=b" is a parameter, "a=" is not.
  std::optional<std::string> TakeToken68() {
    const std::string_view before = rest_;
    if (TakeRun(IsToken68Char)) {
      SkipWhile([](char c) { return c == '='; });
      std::string token(before.substr(0, before.size() - rest_.size()));
      if (AtBoundary()) return token;
    }
    rest_ = before;
    return std::nullopt;
  }

 private:
  template <typename Predicate>
  bool SkipWhile(Predicate matches) {
    return TakeRun(matches).has_value();
  }
  template <typename Predicate>
  std::optional<std::string_view> TakeRun(Predicate matches) {
    const auto* const end = std::ranges::find_if_not(rest_, matches);
    const std::string_view run(rest_.begin(), end);
    rest_.remove_prefix(run.size());
    return run.empty() ? std::nullopt : std::optional(run);
  }
  std::optional<std::string> TakeQuoted() {
    std::string value;
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == '"') {
        rest_.remove_prefix(i + 1);
        return value;
      }
      if (rest_[i] == '\\') ++i;
      if (i == rest_.size()) break;
      value.push_back(rest_[i]);
    }
    return std::nullopt;
  }

  std::string_view rest_;
};

/// False when one of this name is there already, or they are too many.
bool Add(AuthParams& params, std::string_view name, std::string value) {
  std::string key = AsciiLower(name);
  if (params.size() == kMaxParams || FindParam(params, key) != nullptr) return false;
  params.emplace_back(std::move(key), std::move(value));
  return true;
}

/// The challenges of one field line.
class LineParser {
 public:
  LineParser(std::string_view line, std::vector<AuthChallenge>& out) : scanner_(line), out_(out) {}

  void Parse() {
    while (Next()) {
    }
    if (in_challenge_) Keep();
  }

 private:
  /// One list element, or the scheme and the first parameter of a challenge. False at the end.
  bool Next() {
    scanner_.SkipBlanksAndCommas();
    if (scanner_.at_end() || out_.size() == kMaxChallenges) return false;
    const auto name = scanner_.TakeToken();
    if (!name) return Fail();
    if (scanner_.TakeEquals()) return TakeParam(*name);
    if (in_challenge_) Keep();
    return Begin(*name);
  }

  bool Begin(std::string_view scheme) {
    challenge_ = {AsciiLower(scheme), {}, {}};
    in_challenge_ = valid_ = true;
    if (scanner_.SkipBlanks()) {
      if (auto token = scanner_.TakeToken68()) challenge_.token68 = *std::move(token);
      return true;
    }
    return scanner_.AtBoundary() || Fail();
  }

  bool TakeParam(std::string_view name) {
    auto value = scanner_.TakeValue();
    if (!in_challenge_ || !value || !scanner_.AtBoundary()) return Fail();
    valid_ =
        Add(challenge_.params, name, *std::move(value)) && challenge_.token68.empty() && valid_;
    return true;
  }

  void Keep() {
    if (valid_ && out_.size() < kMaxChallenges) out_.push_back(std::move(challenge_));
    in_challenge_ = false;
  }

  bool Fail() {
    in_challenge_ = false;
    return false;
  }

  Scanner scanner_;
  std::vector<AuthChallenge>& out_;
  AuthChallenge challenge_;
  bool in_challenge_ = false;
  bool valid_ = false;  ///< Of the challenge.
};

}  // namespace

const std::string* FindParam(const AuthParams& params, std::string_view name) {
  const auto found = std::ranges::find(params, name, &AuthParams::value_type::first);
  return found == params.end() ? nullptr : &found->second;
}

std::vector<AuthChallenge> ParseChallenges(const Headers& headers, std::string_view field) {
  std::vector<AuthChallenge> challenges;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    const auto [name, value] = headers.at(i);
    if (EqualsIgnoreCase(name, field)) LineParser(value, challenges).Parse();
  }
  return challenges;
}

AuthParams ParseAuthParams(std::string_view value) {
  Scanner scanner(value);
  AuthParams params;
  while (true) {
    scanner.SkipBlanksAndCommas();
    const auto name = scanner.TakeToken();
    if (!name || !scanner.TakeEquals()) return params;
    auto text = scanner.TakeValue();
    if (!text || !scanner.AtBoundary() || !Add(params, *name, *std::move(text))) return params;
  }
}

}  // namespace fetchd::http
