#!/usr/bin/env bash
# Makes a minimal Debian 12 as a tar, from the mirror that this machine's apt has. debian.sh FILE
set -euo pipefail
archive=$1
scratch=$(mktemp -d "$(dirname "$archive")/debian.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
root=$scratch/root

mirror() { apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' | awk -v release="$1" '$2 == release { print $1; exit }'; }
main=$(mirror bookworm)
security=$(mirror bookworm-security)
/usr/sbin/debootstrap --variant=minbase bookworm "$root" "${main:-http://deb.debian.org/debian}" >"$scratch/log" 2>&1 || {
  tail -n 20 "$scratch/log" >&2
  exit 1
}
cat >"$root/etc/apt/sources.list" <<SOURCES
deb ${main:-http://deb.debian.org/debian} bookworm main
deb ${security:-http://deb.debian.org/debian-security} bookworm-security main
SOURCES
# As in Debian's own slim images.
cat >"$root/etc/dpkg/dpkg.cfg.d/docker" <<'EXCLUDED'
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/man/*
path-exclude /usr/share/locale/*
EXCLUDED
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root"/usr/share/{man,locale}/*
find "$root/usr/share/doc" -type f -not -name copyright -delete
tar -C "$root" --numeric-owner --sort=name -cf "$scratch/archive" .
mv "$scratch/archive" "$archive"
