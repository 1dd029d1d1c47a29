#include "cli/fetch_flags.h"

#include <filesystem>

#include "base/strings.h"
#include "cli/values.h"

namespace fetchd::cli {
namespace {

void AddCredentialFlags(CLI::App* app, FetchFlags& flags) {
  CLI::Option* const user =
      app->add_option("-u,--user", flags.user,
                      "Log in at the origin. Other users of this machine can see a command line:\n"
                      "better NAME alone, with FETCHCTL_PASSWORD, --password-file or --user-file")
          ->type_name("NAME[:PASSWORD]");
  CLI::Option* const user_file =
      app->add_option("--user-file", flags.user_file, "A file with NAME:PASSWORD")
          ->type_name("FILE")
          ->excludes(user);
  CLI::Option* const password_file =
      app->add_option("--password-file", flags.password_file, "A file with the password of --user")
          ->type_name("FILE")
          ->needs(user);
  app->add_option("--password-secret", flags.password_secret,
                  "The service's secret of this name is the password of --user")
      ->type_name("NAME")
      ->needs(user)
      ->excludes(password_file);
  CLI::Option* const digest = app->add_flag(
      "--digest", flags.digest, "Send them as a Digest, and in no other way. Default: Basic");
  app->add_flag("--basic", flags.basic, "Send them as Basic, as by default")->excludes(digest);
  CLI::Option* const bearer =
      app->add_option("--oauth2-bearer", flags.bearer_token,
                      "A bearer token for the origin; can be seen like --user's password")
          ->type_name("TOKEN")
          ->excludes(user)
          ->excludes(user_file);
  CLI::Option* const bearer_file = app->add_option("--bearer-file", flags.bearer_file,
                                                   "A file with a bearer token for the origin")
                                       ->type_name("FILE")
                                       ->excludes(user)
                                       ->excludes(user_file)
                                       ->excludes(bearer);
  app->add_option("--bearer-secret", flags.bearer_secret,
                  "The service's secret of this name is the bearer token")
      ->type_name("NAME")
      ->excludes(user)
      ->excludes(user_file)
      ->excludes(bearer)
      ->excludes(bearer_file);
}

void AddConditionFlags(CLI::App* app, FetchFlags& flags) {
  app->add_option_function<std::vector<std::string>>(
         "--if-none-match,--etag",
         [&flags](const std::vector<std::string>& tags) {
           for (const std::string& tag : tags) flags.entity_tags.push_back(EntityTag(tag));
         },
         "Fetch only what is not this version; many times. Quotes may be left out")
      ->take_all()
      ->allow_extra_args(false)
      ->type_name("ETAG");
  app->add_option("--etag-compare", flags.etag_file,
                  "Likewise, with the ETag in a file; none when it is not there")
      ->type_name("FILE");
  app->add_option_function<std::string>(
         "-z,--time-cond",
         [&flags](const std::string& text) {
           const auto time = TimeCondition(text);
           if (!time.ok()) throw CLI::ValidationError("--time-cond", MessageOf(time.status()));
           flags.modified_since = *time;
         },
         "Fetch only what was modified after this time, or after this file")
      ->type_name("TIME|FILE");
}

absl::Status AddLogin(const FetchFlags& flags, const Getenv& getenv, v1::FetchSpec& spec) {
  std::string user = flags.user;
  if (!flags.user_file.empty()) {
    ASSIGN_OR_RETURN(const Secret line, ReadSecret(flags.user_file));
    if (!line.Reveal().contains(':')) {
      return absl::InvalidArgumentError(Concat(flags.user_file, " does not hold NAME:PASSWORD"));
    }
    user = line.Reveal();
  }
  const std::size_t colon = user.find(':');
  std::string password = colon == std::string::npos ? getenv("FETCHCTL_PASSWORD").value_or("")
                                                    : user.substr(colon + 1);
  if (!flags.password_file.empty()) {
    ASSIGN_OR_RETURN(const Secret secret, ReadSecret(flags.password_file));
    password = secret.Reveal();
  }
  const std::string& secret = flags.password_secret;
  if (!secret.empty()) {
    if (colon != std::string::npos) {
      return absl::InvalidArgumentError("--password-secret needs --user NAME, without a password");
    }
    password.clear();  // That of the environment is for when nothing else is said.
  } else if (colon == std::string::npos && password.empty()) {
    return absl::InvalidArgumentError(
        "--user needs a password: in FETCHCTL_PASSWORD, with --password-file or "
        "--password-secret");
  }
  const auto fill = [&](auto* login) {
    login->set_username(user.substr(0, colon));
    login->set_password(password);
    login->set_password_secret(secret);
  };
  v1::Credentials& credentials = *spec.mutable_credentials();
  flags.digest ? fill(credentials.mutable_digest()) : fill(credentials.mutable_basic());
  return absl::OkStatus();
}

absl::Status AddCredentials(const FetchFlags& flags, const Getenv& getenv, v1::FetchSpec& spec) {
  if (!flags.user.empty() || !flags.user_file.empty()) return AddLogin(flags, getenv, spec);
  if (flags.digest) {
    return absl::InvalidArgumentError("--digest needs --user or --user-file");
  }
  Secret token(flags.bearer_token);
  if (!flags.bearer_file.empty()) {
    ASSIGN_OR_RETURN(token, ReadSecret(flags.bearer_file));
  }
  if (!flags.bearer_secret.empty()) {
    spec.mutable_credentials()->set_bearer_token_secret(flags.bearer_secret);
  }
  if (!token.empty()) spec.mutable_credentials()->set_bearer_token(token.Reveal());
  return absl::OkStatus();
}

absl::Status AddConditions(const FetchFlags& flags, v1::FetchSpec& spec) {
  for (const std::string& tag : flags.entity_tags) spec.add_if_none_match(tag);
  if (!flags.etag_file.empty() && std::filesystem::exists(flags.etag_file)) {
    ASSIGN_OR_RETURN(const std::string text, ReadFile(flags.etag_file));
    const std::string_view tag = TrimWhitespace(std::string_view(text).substr(0, text.find('\n')));
    if (!tag.empty()) spec.add_if_none_match(EntityTag(tag));
  }
  if (flags.modified_since) *spec.mutable_if_modified_since() = *flags.modified_since;
  return absl::OkStatus();
}

}  // namespace

void AddFetchFlags(CLI::App* app, FetchFlags& flags) {
  AddPairs(app, "--header", ':', flags.headers, "Request header; many times");
  AddPairs(app, "--header-secret", '=', flags.header_secrets,
           "Request header whose value is the service's secret of this name: Authorization=NAME;\n"
           "many times");
  AddCredentialFlags(app, flags);
  AddConditionFlags(app, flags);
  CLI::Option* const range =
      app->add_option_function<std::string>(
             "-r,--range",
             [&flags](const std::string& text) {
               const auto parsed = ParseRange(text);
               if (!parsed.ok()) throw CLI::ValidationError("--range", MessageOf(parsed.status()));
               flags.range = *parsed;
             },
             "Only these bytes, counted from 0: 0-99, or 100- for all from there")
          ->type_name("FIRST-LAST");
  AddSize(app, "--limit-rate", flags.max_bytes_per_sec, "Read no more bytes a second than this");
  app->add_flag("--compressed", flags.compressed,
                "Ask for gzip, deflate, br or zstd, and keep the body without it")
      ->excludes(range);
  app->add_option_function<std::string>(
         "--share",
         [&flags](const std::string& text) {
           flags.share = text == "never" ? v1::FetchSpec::SHARE_NEVER : v1::FetchSpec::SHARE_ALWAYS;
         },
         "May one read of the origin serve others who want the same now?\n"
         "Default: always for get and with a digest, else never")
      ->check(CLI::IsMember({"never", "always"}))
      ->type_name("never|always");
  app->add_option("--tls-profile", flags.tls_profile, "Trust profile of the service")
      ->type_name("NAME");
  app->add_option("--proxy", flags.proxy, "Proxy of the service to go through, or \"direct\"")
      ->type_name("NAME");
}

absl::StatusOr<v1::FetchSpec> ReadFetchFlags(const FetchFlags& flags, const Getenv& getenv) {
  v1::FetchSpec spec;
  for (const auto& [name, value] : flags.headers) {
    v1::Header* header = spec.add_headers();
    header->set_name(name);
    header->set_value(value);
  }
  for (const auto& [name, secret] : flags.header_secrets) {
    v1::Header* header = spec.add_headers();
    header->set_name(name);
    header->set_secret(secret);
  }
  RETURN_IF_ERROR(AddCredentials(flags, getenv, spec));
  RETURN_IF_ERROR(AddConditions(flags, spec));
  if (flags.compressed) spec.set_decode(v1::FetchSpec::DECODE_CONTENT);
  spec.set_share(flags.share);
  if (flags.range) *spec.mutable_range() = ToProto(*flags.range);
  if (flags.max_bytes_per_sec) spec.set_max_bytes_per_sec(*flags.max_bytes_per_sec);
  spec.set_tls_profile(flags.tls_profile);
  spec.set_proxy(flags.proxy);
  return spec;
}

void FillIn(const v1::FetchSpec& flags, v1::FetchSpec& spec) {
  spec.mutable_headers()->MergeFrom(flags.headers());
  if (flags.has_credentials() && !spec.has_credentials()) {
    *spec.mutable_credentials() = flags.credentials();
  }
  if (spec.if_none_match().empty()) *spec.mutable_if_none_match() = flags.if_none_match();
  if (flags.has_if_modified_since() && !spec.has_if_modified_since()) {
    *spec.mutable_if_modified_since() = flags.if_modified_since();
  }
  if (flags.has_range() && !spec.has_range()) *spec.mutable_range() = flags.range();
  if (flags.has_max_bytes_per_sec() && !spec.has_max_bytes_per_sec()) {
    spec.set_max_bytes_per_sec(flags.max_bytes_per_sec());
  }
  if (spec.decode() == v1::FetchSpec::DECODE_UNSPECIFIED) spec.set_decode(flags.decode());
  if (spec.share() == v1::FetchSpec::SHARE_UNSPECIFIED) spec.set_share(flags.share());
  if (spec.tls_profile().empty()) spec.set_tls_profile(flags.tls_profile());
  if (spec.proxy().empty()) spec.set_proxy(flags.proxy());
}

}  // namespace fetchd::cli
