#!/usr/bin/env bash
# clang-format has nothing to change in any C++ file. format.sh SOURCE_DIR [--fix]
set -euo pipefail
cd "$1"
mapfile -d '' files < <(find server client_cli tests bench \( -name '*.h' -o -name '*.cc' \) -print0)
if [[ ${2:-} == --fix ]]; then
  clang-format-19 -i "${files[@]}"
  exit
fi
if ! clang-format-19 --dry-run -Werror "${files[@]}"; then
  echo "run tests/lint/format.sh . --fix"
  exit 1
fi
echo "${#files[@]} files"
