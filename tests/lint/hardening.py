#!/usr/bin/env python3
"""What is shipped is hardened (cmake/Hardening.cmake), by Debian's hardening-check and readelf.

hardening.py linked BINARY...          what the linker does, and the stack protector: the debug build has these as well
hardening.py release BINARY...         all of it, in the program itself
hardening.py flags SOURCE_DIR WORK     configures the release in the folder WORK and looks at how it would compile and link
hardening.py --self-test               programs without these are found out
"""
import json
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

COMPILED = ["-fPIE", "-fstack-protector-strong", "-fstack-clash-protection", "-D_FORTIFY_SOURCE=3"]
COMPILED_CXX = ["-D_GLIBCXX_ASSERTIONS"]
COMPILED_X86 = ["-fcf-protection=full"] if platform.machine() == "x86_64" else []
LINKED = ["-pie", "-Wl,-z,relro,-z,now,-z,noexecstack"]
# Of the program, not of the C library's start files: name and first instruction.
FUNCTION = re.compile(r"^[0-9a-f]+ <(?!_init|_fini|_start|deregister_tm|register_tm|__do_global|frame_dummy|.*@plt)(.*)>:\n.*:\s+(\w+)", re.M)
# What the compiler's answer to a stack that grows over its guard page looks like: each page is touched.
STACK_PROBE = re.compile(r"sub +rsp,0x1000\n.*mov +QWORD PTR \[rsp\],0x0")


def output(*command):
    run = subprocess.run([*map(str, command)], capture_output=True, text=True)
    if run.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {run.returncode}: {run.stderr[-500:]}")
    return run.stdout


def check_tool(binary, *skipped):
    """hardening-check ends with 1 for what is missing, and says what."""
    try:
        run = subprocess.run(["hardening-check", "--nocfprotection", *skipped, binary], capture_output=True, text=True)
    except FileNotFoundError:
        return [f"{binary}: there is no hardening-check: scripts/install-deps test"]
    if run.returncode == 0 and "Immediate binding: yes" in run.stdout:
        return []
    missing = [line.strip() for line in run.stdout.splitlines() if ": no" in line]
    return [f"{binary}: {line}" for line in missing] or [f"{binary}: hardening-check: {run.stdout}{run.stderr}"]


def check_segments(binary):
    """What hardening-check does not look at."""
    segments = output("readelf", "-lW", binary)
    stack = re.search(r"GNU_STACK.*", segments)
    if stack is None or "RWE" in stack[0]:
        yield f"{binary}: its stack can be executed"
    if re.search(r"LOAD.* RWE ", segments):
        yield f"{binary}: memory that can be written and executed"
    if "TEXTREL" in output("readelf", "-dW", binary):
        yield f"{binary}: relocations in its code"
    if re.search(r"\((RPATH|RUNPATH)\)", output("readelf", "-dW", binary)):
        yield f"{binary}: brings a path to search for libraries"


def check_linked(binary):
    return [*check_tool(binary, "--nofortify"), *check_segments(binary)]


def check_release(binary):
    problems = [*check_tool(binary), *check_segments(binary)]
    if not re.search(r"\w_chk@", output("readelf", "-sW", binary)):
        problems.append(f"{binary}: calls no function of FORTIFY's")
    if "X86-64" in output("readelf", "-hW", binary):
        code = output("objdump", "-d", "--no-show-raw-insn", "-M", "intel", binary)
        if not STACK_PROBE.search(code):
            problems.append(f"{binary}: large frames do not touch their pages")
        functions = FUNCTION.findall(code)
        landing_pads = [name for name, first in functions if first == "endbr64"]
        if 4 * len(landing_pads) < len(functions):  # What is only called directly has none.
            problems.append(f"{binary}: {len(landing_pads)} landing pads in {len(functions)} functions")
    return problems


def check_flags(root, work):
    output("cmake", "-S", root, "-B", work, "--preset", "release")
    problems = []
    for entry in json.loads((work / "compile_commands.json").read_text()):
        words = entry["command"].split()
        is_cxx = entry["file"].endswith((".cc", ".cxx"))
        wanted = [*COMPILED, *(COMPILED_CXX if is_cxx else []), *COMPILED_X86]
        missing = [flag for flag in wanted if flag not in words]
        undone = [word for word in words if word.startswith(("-fno-stack", "-fcf-protection=none", "-O0"))]
        problems += [f"{entry['file']}: compiled without {flag}" for flag in missing]
        problems += [f"{entry['file']}: compiled with {flag}" for flag in undone]
    for name in ("fetchd", "fetchctl"):
        link = output("ninja", "-C", work, "-t", "commands", name).splitlines()[-1]
        problems += [f"{name}: linked without {flag}" for flag in LINKED if flag not in link.split()]
    return problems


def self_test():
    source = "#include <cstring>\n#include <cstdio>\nint main(int n, char** v) { char b[9000]; std::strcpy(b, v[0]); return std::puts(b); }\n"
    whole = [*COMPILED, *COMPILED_CXX, *COMPILED_X86, *LINKED, "-O2"]
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "a.cc"
        file.write_text(source)

        def found(check, *flags):
            output("clang++-19", "-fuse-ld=lld", *flags, file, "-o", file.with_suffix(""))
            return " ".join(check(file.with_suffix("")))

        if problems := found(check_release, *whole):
            failures.append(f"a hardened program is found to lack: {problems}")
        for flags, expected in {
                ("-no-pie",): "Position Independent Executable: no", ("-fno-stack-protector",): "Stack protected: no",
                ("-Wl,-z,norelro",): "Read-only relocations: no", ("-Wl,-z,lazy",): "Immediate binding: no",
                ("-Wl,-z,execstack",): "stack can be executed", ("-Wl,-rpath,/tmp",): "path to search",
                ("-U_FORTIFY_SOURCE",): "no function of FORTIFY's", ("-fno-stack-clash-protection",): "do not touch their pages",
                ("-fcf-protection=none",): "landing pads"}.items():
            if expected not in (problems := found(check_release, *whole, *flags)):
                failures.append(f"{flags}: expected {expected!r}, found {problems!r}")
    return failures


def main():
    mode, *arguments = sys.argv[1:] or ["--help"]
    if mode == "--self-test":
        problems = self_test()
    elif mode == "flags" and len(arguments) == 2:
        problems = check_flags(*map(pathlib.Path, arguments))
    elif mode in ("linked", "release") and arguments:
        check = check_linked if mode == "linked" else check_release
        problems = [problem for binary in arguments for problem in check(binary)]
    else:
        sys.exit(__doc__)
    print("\n".join(problems) or "hardened")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
