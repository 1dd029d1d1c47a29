#!/usr/bin/env bash
# A library really cannot include a layer above it: the compiler does not find the header.
#   forbidden_include.sh BUILD_DIR LIBRARY ALLOWED_HEADER FORBIDDEN_HEADER
# Compiles one line with the flags of a source of LIBRARY: with the allowed include it must build, with the forbidden one not.
set -euo pipefail
build=$1 library=$2 allowed=$3 forbidden=$4
read -r compiler flags < <(python3 - "$build" "$library" <<'PYTHON'
import json, shlex, sys
build, library = sys.argv[1:]
for entry in json.load(open(f"{build}/compile_commands.json")):
    words = shlex.split(entry["command"])
    if f"/server/{library}/" in entry["file"]:
        compiler = next(w for w in words if "clang++" in w)
        keep, words = [], iter(words[words.index(compiler) + 1:])
        for word in words:
            if word in ("-o", "-c", "-MF", "-MT"):
                next(words)
            elif word not in ("-MD",):
                keep.append(word)
        print(compiler, shlex.join(keep))
        break
PYTHON
)
compiles() {
  # shellcheck disable=SC2086  # The flags are words.
  echo "#include \"$1\"" | eval "$compiler" $flags -fsyntax-only -x c++ - 2>&1
}
compiles "$allowed" >/dev/null || { echo "$library cannot include $allowed, which it may"; compiles "$allowed" | head; exit 1; }
if output=$(compiles "$forbidden"); then
  echo "$library can include $forbidden, which it must not"
  exit 1
fi
grep -q "file not found" <<<"$output" || { echo "refused for another reason: $output"; exit 1; }
echo "$library: $forbidden is refused: $(head -n 1 <<<"$output")"
