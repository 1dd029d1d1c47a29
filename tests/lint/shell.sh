#!/usr/bin/env bash
# Every shell script parses; shellcheck too, where it is installed. Python scripts compile. shell.sh SOURCE_DIR
set -euo pipefail
cd "$1"
# By their first lines; seeds of fuzz targets are no scripts, and thousands.
mapfile -t scripts < <(find scripts .ci tests bench k8s docs packaging -path tests/fuzz/corpus -prune -o -path tests/corpora -prune -o \
  -type f -not -name '*.cc' -not -name '*.h' -print0 2>/dev/null | xargs -0 awk 'FNR == 1 && /^#!.*bash/ { print FILENAME } { nextfile }')
((${#scripts[@]} > 5)) || { echo "there are more shell scripts than ${scripts[*]}" >&2; exit 1; }
for file in "${scripts[@]}"; do bash -n "$file"; done
if command -v shellcheck >/dev/null; then shellcheck -x -S warning "${scripts[@]}"; fi
find scripts tests bench -name '*.py' -print0 | xargs -0 -r python3 -c '
import ast, sys
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        ast.parse(file.read(), path)
'
echo "${#scripts[@]} shell scripts"
