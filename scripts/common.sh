# Shared by the scripts here; sourced, never run.
# shellcheck shell=bash

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Objects compiled in one work tree or build folder are found again from another.
export CCACHE_NOHASHDIR=1 CCACHE_BASEDIR=$repository CCACHE_SLOPPINESS=pch_defines,time_macros

say() { printf '%s\n' "$*"; }
fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# step NAME COMMAND...: runs it and prints how long it took, whatever came of it.
step() {
  local name=$1 started=$SECONDS status=0
  shift
  say "==> $name"
  "$@" || status=$?
  if ((status == 0)); then
    say "    $name: $((SECONDS - started)) s"
  else
    say "    $name: FAILED with $status after $((SECONDS - started)) s"
  fi
  return "$status"
}

# configure PRESET: a no-op of milliseconds when the build files are there; ninja runs CMake again when they are stale.
configure() {
  [[ -f $repository/build/$1/build.ninja ]] || cmake -S "$repository" --preset "$1" >"$repository/build/$1.configure.log" ||
    fail "cmake --preset $1 failed: see build/$1.configure.log"
}
