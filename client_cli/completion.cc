#include "cli/completion.h"

#include <algorithm>
#include <ostream>
#include <set>
#include <vector>

#include "base/strings.h"
#include "cli/command_line.h"

namespace fetchd::cli {
namespace {

constexpr char kListJobs[] = "fetchctl list -q -o name --limit 50 --request-timeout 2s 2>/dev/null";

/// What completion needs to know of one option.
struct Flag {
  std::vector<std::string> names;  ///< "-o", "--output"; none: a positional.
  std::string type;                ///< Empty: takes no value.
  std::string description;
};

struct CommandFlags {
  std::string name;
  std::string description;
  std::vector<Flag> flags;
};

/// One line, without what would end a quoted word of a shell.
std::string Quoted(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += ' ';
    } else if (c != '\'' && c != '[' && c != ']' && c != ':') {
      out += c;
    }
  }
  return Concat("'", out, "'");
}

CommandFlags FlagsOf(const CLI::App& app) {
  CommandFlags command{app.get_name(), app.get_description(), {}};
  for (const CLI::Option* option : app.get_options()) {
    Flag flag;
    for (const std::string& name : option->get_snames()) flag.names.push_back("-" + name);
    for (const std::string& name : option->get_lnames()) flag.names.push_back("--" + name);
    if (option->get_items_expected_max() > 0) flag.type = option->get_type_name();
    flag.description = option->get_description();
    command.flags.push_back(std::move(flag));
  }
  return command;
}

std::vector<const CLI::App*> SubcommandsOf(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

/// A command with commands of its own: their names, and the flags of all of them.
CommandFlags WithSubcommands(const CLI::App& app, const std::vector<const CLI::App*>& below) {
  CommandFlags command = FlagsOf(app);
  Flag names{{}, "", "What to do"};
  std::set<std::string> seen;
  for (const CLI::App* sub : below) {
    names.type += Concat(names.type.empty() ? "" : "|", sub->get_name());
    for (Flag& flag : FlagsOf(*sub).flags) {
      if (flag.names.empty() || !seen.insert(flag.names.back()).second) continue;
      command.flags.push_back(std::move(flag));
    }
  }
  command.flags.push_back(std::move(names));
  return command;
}

std::vector<CommandFlags> CommandsOf(const CLI::App& root) {
  std::vector<CommandFlags> commands;
  for (const CLI::App* app : SubcommandsOf(root)) {
    const std::vector<const CLI::App*> below = SubcommandsOf(*app);
    commands.push_back(below.empty() ? FlagsOf(*app) : WithSubcommands(*app, below));
  }
  return commands;
}

bool IsChoice(const std::string& type) { return type.find('|') != std::string::npos; }

std::string Words(std::string choices) {
  std::replace(choices.begin(), choices.end(), '|', ' ');
  return choices;
}

std::string NamesOf(const std::vector<Flag>& flags) {
  std::string names;
  for (const Flag& flag : flags) {
    for (const std::string& name : flag.names) names += Concat(names.empty() ? "" : " ", name);
  }
  return names;
}

/// bash: the words that may follow an option of this type.
std::string BashReply(const std::string& type) {
  if (type == "FILE") return "COMPREPLY=($(compgen -f -- \"$cur\"))";
  if (type == "JOB") return Concat("COMPREPLY=($(compgen -W \"$(", kListJobs, ")\" -- \"$cur\"))");
  return Concat("COMPREPLY=($(compgen -W \"", IsChoice(type) ? Words(type) : "",
                "\" -- \"$cur\"))");
}

/// "    get:-o|get:--output) ...; return;;" for each option with a value.
std::string BashValues(const std::string& command, const std::vector<Flag>& flags) {
  std::string out;
  for (const Flag& flag : flags) {
    if (flag.type.empty() || flag.names.empty()) continue;
    std::string pattern;
    for (const std::string& name : flag.names) {
      pattern += Concat(pattern.empty() ? "" : "|", command, ":", name);
    }
    out += Concat("    ", pattern, ") ", BashReply(flag.type), "; return;;\n");
  }
  return out;
}

std::string BashScript(const CLI::App& root) {
  const CommandFlags globals = FlagsOf(root);
  const std::vector<CommandFlags> commands = CommandsOf(root);
  std::string names, values = BashValues("*", globals.flags), words;
  for (const CommandFlags& command : commands) {
    names += Concat(names.empty() ? "" : " ", command.name);
    values += BashValues(command.name, command.flags);
    std::string reply = Concat("COMPREPLY=($(compgen -W \"", NamesOf(command.flags), " ",
                               NamesOf(globals.flags), "\" -- \"$cur\"))");
    for (const Flag& flag : command.flags) {
      if (!flag.names.empty() || (flag.type != "JOB" && !IsChoice(flag.type))) continue;
      reply = Concat("if [[ $cur == -* ]]; then ", reply, "; else ", BashReply(flag.type), "; fi");
    }
    words += Concat("    ", command.name, ") ", reply, ";;\n");
  }
  std::string pattern = names;
  std::replace(pattern.begin(), pattern.end(), ' ', '|');
  return Concat(
      "# bash completion for fetchctl\n_fetchctl() {\n",
      "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= word\n",
      "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n    case $word in ", pattern,
      ") command=$word; break;; esac\n  done\n  case $command:$prev in\n", values,
      "  esac\n  case $command in\n    '') COMPREPLY=($(compgen -W \"", names, " ",
      NamesOf(globals.flags), "\" -- \"$cur\"));;\n", words,
      "  esac\n}\ncomplete -o filenames -o bashdefault -F _fetchctl fetchctl\n");
}

std::string ZshValue(const std::string& type) {
  if (type == "FILE") return ":file:_files";
  if (type == "JOB") return Concat(":job:($(", kListJobs, "))");
  return IsChoice(type) ? Concat(":value:(", Words(type), ")") : Concat(":", type, ": ");
}

std::string ZshArguments(const std::vector<Flag>& flags) {
  std::string out;
  for (const Flag& flag : flags) {
    const std::string text = Quoted(flag.description);
    for (const std::string& name : flag.names) {
      out += Concat(" \\\n        '", name, "[", text.substr(1, text.size() - 2), "]",
                    flag.type.empty() ? "" : ZshValue(flag.type), "'");
    }
    if (flag.names.empty()) out += Concat(" \\\n        '*", ZshValue(flag.type), "'");
  }
  return out;
}

std::string ZshScript(const CLI::App& root) {
  const CommandFlags globals = FlagsOf(root);
  std::string names, cases;
  for (const CommandFlags& command : CommandsOf(root)) {
    const std::string text = Quoted(command.description);
    names += Concat("    '", command.name, ":", text.substr(1, text.size() - 2), "'\n");
    cases += Concat("    ", command.name, ")\n      _arguments", ZshArguments(command.flags),
                    ZshArguments(globals.flags), " ;;\n");
  }
  return Concat("#compdef fetchctl\n_fetchctl() {\n  local -a commands\n  commands=(\n", names,
                "  )\n  local command=${words[(r)(${(j:|:)${commands%%:*}})]}\n",
                "  if [[ -z $command || $words[CURRENT] == $command ]]; then\n",
                "    _describe command commands\n    return\n  fi\n  case $command in\n", cases,
                "  esac\n}\ncompdef _fetchctl fetchctl\n");
}

std::string FishLine(const std::string& condition, const Flag& flag) {
  std::string line = Concat("complete -c fetchctl -n ", condition);
  for (const std::string& name : flag.names) {
    line +=
        name.starts_with("--") ? Concat(" -l ", name.substr(2)) : Concat(" -s ", name.substr(1));
  }
  if (flag.type == "FILE") {
    line += " -r -F";
  } else if (flag.type == "JOB") {
    line += Concat(" -a '(", kListJobs, ")'");
  } else if (IsChoice(flag.type)) {
    line += Concat(flag.names.empty() ? "" : " -x", " -a '", Words(flag.type), "'");
  } else if (!flag.type.empty() && !flag.names.empty()) {
    line += " -x";
  }
  return Concat(line, " -d ", Quoted(flag.description), "\n");
}

std::string FishScript(const CLI::App& root) {
  std::string out = "# fish completion for fetchctl\ncomplete -c fetchctl -f\n";
  for (const Flag& flag : FlagsOf(root).flags) out += FishLine("true", flag);
  for (const CommandFlags& command : CommandsOf(root)) {
    out += Concat("complete -c fetchctl -n __fish_use_subcommand -a ", command.name, " -d ",
                  Quoted(command.description), "\n");
    const std::string condition = Concat("'__fish_seen_subcommand_from ", command.name, "'");
    for (const Flag& flag : command.flags) out += FishLine(condition, flag);
  }
  return out;
}

}  // namespace

std::string CompletionScript(const CLI::App& root, const std::string& shell) {
  if (shell == "bash") return BashScript(root);
  return shell == "zsh" ? ZshScript(root) : FishScript(root);
}

void AddCompletion(CommandLine& line) {
  CLI::App* app =
      line.Subcommand("completion", "Print a completion script for a shell",
                      "  source <(fetchctl completion bash)\n"
                      "  fetchctl completion fish > ~/.config/fish/completions/fetchctl.fish");
  const auto shell = std::make_shared<std::string>();
  const auto parse = [shell](const std::string& text) {
    if (text != "bash" && text != "zsh" && text != "fish") {
      throw CLI::ValidationError("shell", Concat("\"", text, "\" is not one of bash, zsh, fish"));
    }
    *shell = text;
  };
  app->add_option_function<std::string>("shell", parse, "The shell")
      ->required()
      ->type_name("bash|zsh|fish");
  line.commands.push_back({app, {}, [shell, &line](Console& console) {
                             console.out << CompletionScript(line.root, *shell);
                             return ExitCode::kDone;
                           }});
}

}  // namespace fetchd::cli
