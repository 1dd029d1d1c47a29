#!/usr/bin/env bash
# Every shell script parses; shellcheck too, where it is installed. Python scripts compile. shell.sh SOURCE_DIR
set -euo pipefail
cd "$1"
scripts=()
while IFS= read -r -d '' file; do
  case $(head -c 64 "$file" | head -n 1) in
  '#!'*bash*) scripts+=("$file") ;;
  esac
done < <(find scripts .ci tests bench k8s docs -type f -not -name '*.cc' -not -name '*.jsonl' -print0 2>/dev/null)
for file in "${scripts[@]}"; do bash -n "$file"; done
if command -v shellcheck >/dev/null; then shellcheck -x -S warning "${scripts[@]}"; fi
find scripts tests bench -name '*.py' -print0 | xargs -0 -r python3 -c '
import ast, sys
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        ast.parse(file.read(), path)
'
echo "${#scripts[@]} shell scripts"
