#include "cli/command_line.h"

#include <algorithm>

#include "base/strings.h"
#include "cli/manifest_line.h"

namespace fetchd::cli {
namespace {

constexpr char kExitCodes[] =
    "Exit codes: 0 done, 1 a fetch failed, 2 usage, 3 service unreachable, 4 not found,\n"
    "  5 refused (authentication, policy), 6 timeout, 130 interrupted.\n"
    "Environment: FETCHCTL_SERVER, FETCHCTL_CA_FILE, FETCHCTL_CERT_FILE, FETCHCTL_KEY_FILE,\n"
    "  FETCHCTL_SERVER_NAME, FETCHCTL_TOKEN, FETCHCTL_CONFIG, FETCHCTL_PASSWORD, NO_COLOR.";

void AddGlobals(CLI::App& root, GlobalOptions& globals) {
  const std::string group = "Connection";
  root.add_option("--server", globals.server,
                  "The service. Default: FETCHCTL_SERVER, the context's, 127.0.0.1:7070")
      ->type_name("HOST:PORT")
      ->group(group);
  root.add_option("--context", globals.context, "Context of the configuration to use")
      ->type_name("NAME")
      ->group(group);
  root.add_option("--config", globals.config_file,
                  "Configuration. Default: FETCHCTL_CONFIG, ~/.config/fetchctl/config.yaml")
      ->type_name("FILE")
      ->group(group);
  root.add_flag("--tls", globals.tls, "Use TLS with the system's trust store")->group(group);
  root.add_option("--ca-file", globals.ca_file, "Trust these certificates (PEM); implies TLS")
      ->type_name("FILE")
      ->group(group);
  root.add_option("--cert-file", globals.cert_file, "Client certificate (PEM); implies TLS")
      ->type_name("FILE")
      ->group(group);
  root.add_option("--key-file", globals.key_file, "Its private key (PEM)")
      ->type_name("FILE")
      ->group(group);
  root.add_option("--server-name", globals.server_name,
                  "Name that the service's certificate must have. Default: the host of --server")
      ->type_name("NAME")
      ->group(group);
  root.add_option("--token-file", globals.token_file, "Bearer token; also FETCHCTL_TOKEN")
      ->type_name("FILE")
      ->group(group);
  root.add_option("--request-timeout", globals.request_timeout,
                  "For answers that come at once. Default 30s")
      ->type_name("DURATION")
      ->group(group);
  root.add_flag("-q,--quiet", globals.quiet, "No progress, no summaries");
}

template <typename T>
T OrUsageError(absl::StatusOr<T> value, const std::string& name) {
  if (!value.ok()) throw CLI::ValidationError(name, MessageOf(value.status()));
  return *std::move(value);
}

ExitCode UsageError(const Console& console, const CLI::App& root, const CLI::ParseError& error) {
  std::string command = "fetchctl";
  for (const CLI::App* sub : root.get_subcommands()) command += Concat(" ", sub->get_name());
  return console.Report(ExitCode::kUsage, Concat(error.what(), "\nSee \"", command, " --help\"."));
}

ExitCode RunOnline(CommandLine& line, const Command& command, Console& console,
                   Interrupt& interrupt) {
  Milliseconds timeout = std::chrono::seconds(30);
  if (!line.globals.request_timeout.empty()) {
    const auto parsed = ParseDuration(line.globals.request_timeout);
    if (!parsed.ok()) return console.Report(ToGrpc(parsed.status()));
    timeout = *parsed;
  }
  auto endpoint = ResolveEndpoint(line.globals, line.getenv);
  if (!endpoint.ok()) return console.Report(ToGrpc(endpoint.status()));
  Connection connection(*std::move(endpoint), timeout);
  Session session{.console = console, .interrupt = interrupt, .connection = connection};
  return command.run(session);
}

}  // namespace

CommandLine::CommandLine(Getenv environment) : getenv(std::move(environment)) {
  root.footer(kExitCodes);
  root.require_subcommand(1);
  root.get_formatter()->column_width(34);
  AddGlobals(root, globals);
  AddGet(*this);
  AddSubmit(*this);
  AddWatch(*this);
  AddList(*this);
  AddDescribe(*this);
  AddExplain(*this);
  AddJobActions(*this);
  AddBatch(*this);
  AddRead(*this);
  AddCheck(*this);
  AddStatus(*this);
  AddTop(*this);
  AddHealth(*this);
  AddOrigins(*this);
  AddDrain(*this);
  AddLogLevel(*this);
  AddToken(*this);
  AddCompletion(*this);
  AddVersion(*this);
}

CLI::App* CommandLine::Subcommand(const std::string& name, const std::string& description,
                                  const std::string& examples) {
  CLI::App* app = root.add_subcommand(name, description);
  app->fallthrough();
  app->footer(Concat("Examples:\n", examples, "\nConnection flags: fetchctl --help"));
  return app;
}

CLI::Option* AddDuration(CLI::App* app, const std::string& name, std::optional<Milliseconds>& value,
                         const std::string& description) {
  return app
      ->add_option_function<std::string>(
          name,
          [name, &value](const std::string& text) {
            value = OrUsageError(ParseDuration(text), name);
          },
          description)
      ->type_name("DURATION");
}

CLI::Option* AddSize(CLI::App* app, const std::string& name, std::optional<std::uint64_t>& value,
                     const std::string& description) {
  return app
      ->add_option_function<std::string>(
          name,
          [name, &value](const std::string& text) { value = OrUsageError(ParseSize(text), name); },
          description)
      ->type_name("SIZE");
}

CLI::Option* AddJobNames(CLI::App* app, std::vector<std::string>& names) {
  return app->add_option("jobs", names, "Jobs, as \"jobs/ID\" or \"ID\"")->type_name("JOB");
}

CLI::Option* AddOutput(CLI::App* app, OutputFormat& format, const std::string& formats) {
  const auto parse = [&format, formats](const std::string& text) {
    const std::pair<const char*, OutputFormat> known[] = {{"table", OutputFormat::kTable},
                                                          {"wide", OutputFormat::kWide},
                                                          {"json", OutputFormat::kJson},
                                                          {"name", OutputFormat::kName}};
    for (const auto& [name, value] : known) {
      if (text == name &&
          Concat("|", formats, "|").find(Concat("|", text, "|")) != std::string::npos) {
        format = value;
        return;
      }
    }
    throw CLI::ValidationError("--output", Concat("\"", text, "\" is not one of ", formats));
  };
  return app->add_option_function<std::string>("-o,--output", parse, "Format. Default table")
      ->type_name(formats);
}

CLI::Option* AddRepeated(CLI::App* app, const std::string& name, std::vector<std::string>& values,
                         const std::string& description) {
  return app->add_option(name, values, description)->take_all()->allow_extra_args(false);
}

CLI::Option* AddPairs(CLI::App* app, const std::string& name, char separator,
                      std::vector<std::pair<std::string, std::string>>& values,
                      const std::string& description) {
  const auto parse = [name, separator, &values](const std::vector<std::string>& texts) {
    for (const std::string& text : texts) {
      auto pair = OrUsageError(ParsePair(text, separator), name);
      // "Name: value" is how people write headers.
      if (separator == ':') pair.second = std::string(TrimWhitespace(pair.second));
      values.push_back(std::move(pair));
    }
  };
  return app->add_option_function<std::vector<std::string>>(name, parse, description)
      ->take_all()
      ->allow_extra_args(false)
      ->type_name(Concat("KEY", separator, "VALUE"));
}

CLI::Option* AddDigests(CLI::App* app, std::vector<std::string>& digests) {
  app->add_option_function<std::string>(
         "--sha256",
         [&digests](const std::string& hex) {
           digests.push_back(OrUsageError(Sha256Digest(hex), "--sha256"));
         },
         "The body's SHA-256 must be this")
      ->type_name("HEX");
  return app
      ->add_option_function<std::vector<std::string>>(
          "--checksum",
          [&digests](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) {
              digests.push_back(OrUsageError(CheckDigest(text), "--checksum"));
            }
          },
          "So must this: sha256-<base64> or <algorithm>:<hex>; sha256, sha384, sha512, md5, crc32c")
      ->take_all()
      ->allow_extra_args(false)
      ->type_name("DIGEST");
}

ExitCode Run(const std::vector<std::string>& arguments, Console& console, Interrupt& interrupt,
             Getenv getenv) {
  CommandLine line(std::move(getenv));
  try {
    // CLI11 takes them off the back.
    line.root.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::Success& wish) {
    line.root.exit(wish, console.out, console.err);
    return ExitCode::kDone;
  } catch (const CLI::ParseError& error) {
    return UsageError(console, line.root, error);
  }
  console.quiet = line.globals.quiet;
  const auto command = std::find_if(line.commands.begin(), line.commands.end(),
                                    [](const Command& known) { return known.app->parsed(); });
  const ExitCode code = command->run_offline ? command->run_offline(console)
                                             : RunOnline(line, *command, console, interrupt);
  console.out.flush();
  if (console.out.good()) return code;
  return console.Report(ExitCode::kFetchFailed, "cannot write the output");
}

}  // namespace fetchd::cli
