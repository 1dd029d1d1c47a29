#!/usr/bin/python3
"""Runs a program under the system call filter that a unit of systemd's asks for, without systemd.

unit_sandbox.py [--as UID] UNIT PROGRAM [ARGUMENT]...     --as: as that user and group, without any capability

What the unit denies ends the program with SIGSYS instead of an error that it might overlook. Read: SystemCallFilter=,
RestrictAddressFamilies=, MemoryDenyWriteExecute=, RestrictNamespaces= and RestrictSUIDSGID=, as systemd 252 understands them.
"""
import argparse
import ctypes
import errno
import mmap
import os
import socket
import subprocess
import sys

try:
    import seccomp
    from seccomp import ALLOW, EQ, ERRNO, KILL_PROCESS, MASKED_EQ, Arg
except ModuleNotFoundError:
    seccomp = None  # Debian's package is for Debian's Python; settings() is for any.

PR_CAPBSET_DROP = 24
NEW_NAMESPACES = 0x7e020080  # Every CLONE_NEW*.
WRITE_EXECUTE = mmap.PROT_WRITE | mmap.PROT_EXEC


def settings(unit):
    """name -> values in the order of the file; an empty one forgets those before it."""
    result = {}
    with open(unit, encoding="utf-8") as file:
        for line in file:
            name, sign, value = line.strip().partition("=")
            if not sign or line.startswith(("#", ";")):
                continue
            result[name] = result.get(name, []) + [value] if value else []
    return result


def system_call_sets():
    """"@group" -> its members, groups among them, as this machine's systemd knows them."""
    output = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager"], capture_output=True, text=True, check=True).stdout
    sets, members = {}, None
    for line in output.splitlines():
        word = line.strip()
        if line.startswith("@"):
            members = sets.setdefault(word, set())
        elif not word:
            members = None
        elif members is not None and not word.startswith("#"):
            members.add(word)
    return sets


def members_of(words, sets):
    for word in words:
        if word.startswith("@"):
            yield from members_of(sets[word], sets)
        else:
            yield word


def allowed_calls(filters):
    """The first line says whether the list is one of what is allowed; a later one with ~ takes away."""
    sets = system_call_sets()
    if not filters or filters[0].startswith("~"):
        raise ValueError("SystemCallFilter= of the unit does not begin with what is allowed")
    allowed = set(members_of(["@default"], sets))
    for value in filters:
        named = set(members_of(value.removeprefix("~").split(), sets))
        allowed = allowed - named if value.startswith("~") else allowed | named
    return allowed | {"execve"}  # systemd's own, always.


def conditions(unit):
    """call -> alternatives, each a list of what must hold of its arguments."""
    def is_on(name):
        return unit.get(name, ["no"])[-1] == "yes"

    rules = {}
    if families := unit.get("RestrictAddressFamilies"):
        rules["socket"] = [[Arg(0, EQ, getattr(socket, family))] for family in families[-1].split()]
    if is_on("MemoryDenyWriteExecute"):
        rules["mmap"] = [[Arg(2, MASKED_EQ, WRITE_EXECUTE, allowed)] for allowed in (0, mmap.PROT_WRITE, mmap.PROT_EXEC)]
        for call in ("mprotect", "pkey_mprotect"):
            rules[call] = [[Arg(2, MASKED_EQ, mmap.PROT_EXEC, 0)]]
    if is_on("RestrictNamespaces"):
        rules["clone"] = [[Arg(0, MASKED_EQ, NEW_NAMESPACES, 0)]]
        rules["unshare"] = [[Arg(0, MASKED_EQ, NEW_NAMESPACES, 0)]]
        rules["setns"] = []
    if is_on("RestrictSUIDSGID"):
        rules["openat2"] = []  # Its flags are out of a filter's sight: systemd takes it away.
    return rules


def build_filter(unit):
    bpf = seccomp.SyscallFilter(defaction=KILL_PROCESS)
    rules = conditions(unit)
    if "clone" in rules:
        # As systemd does: glibc then falls back to clone, whose flags a filter can see.
        rules["clone3"] = []
        bpf.add_rule(ERRNO(errno.ENOSYS), "clone3")
    for call in sorted(allowed_calls(unit.get("SystemCallFilter", []))):
        number = seccomp.resolve_syscall(seccomp.Arch(), call)
        if number < 0:
            continue  # Another architecture's.
        for alternative in rules.get(call, [[]]):
            bpf.add_rule(ALLOW, number, *alternative)
    return bpf


def give_up_privileges(user):
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in range(64):
        if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 and ctypes.get_errno() != errno.EINVAL:
            raise OSError(ctypes.get_errno(), "a capability cannot be dropped")
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def main():
    if seccomp is None:
        sys.exit("unit_sandbox.py: install python3-seccomp (scripts/install-deps test), and run it with /usr/bin/python3")
    parser = argparse.ArgumentParser()
    parser.add_argument("--as", type=int, dest="user")
    parser.add_argument("unit")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    bpf = build_filter(settings(options.unit))
    # Opened before: the folder that it is in need not be another user's to enter.
    program = os.open(options.command[0], os.O_RDONLY | os.O_CLOEXEC)
    if options.user is not None:
        give_up_privileges(options.user)
    bpf.load()  # Sets no_new_privs.
    os.execve(program, options.command, os.environ)


if __name__ == "__main__":
    main()
