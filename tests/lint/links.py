"""Relative links of Markdown files lead to files, and a link named [`Suite.Test`](file) to that test in it.

links.py ROOT: prints what does not hold and fails then. links.py --self-test: tries itself.
"""
import pathlib
import re
import sys
import tempfile

LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")
TEST_NAME = re.compile(r"`(\w+)\.(\w+)`")
SKIPPED = {"build", ".git"}


def has_test(text, suite, name):
    return (re.search(rf"TEST(_F|_P)?\(\s*{suite}\s*,\s*{name}\s*\)", text) or
            re.search(rf"class {suite}\(.*?\n    def {name}\(", text, re.S))


def check_file(file):
    for label, target in LINK.findall(file.read_text()):
        if "://" in target or target.startswith(("#", "mailto:")):
            continue
        aim = file.parent / target.split("#")[0]
        if not aim.exists():
            yield f"{target}: no such file"
            continue
        test = TEST_NAME.fullmatch(label)
        if test and aim.suffix in (".cc", ".py") and not has_test(aim.read_text(), *test.groups()):
            yield f"{target}: has no test {label}"


def check_tree(root):
    files = [file for file in sorted(root.rglob("*.md"))
             if not SKIPPED & set(file.relative_to(root).parts)]
    return [f"{file.relative_to(root)}: {message}" for file in files for message in check_file(file)]


def self_test():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "a_test.cc").write_text("TEST_F(Suite,\n       Works) {}")
        (root / "a.md").write_text("[`Suite.Works`](a_test.cc) [x](https://h/) [y](#z)\n"
                                   "[`Suite.Fails`](a_test.cc) [gone](b.md)")
        found = check_tree(root)
        expected = ["a.md: a_test.cc: has no test `Suite.Fails`", "a.md: b.md: no such file"]
        return [] if found == expected else [f"expected {expected}, found {found}"]


if __name__ == "__main__":
    problems = self_test() if sys.argv[1] == "--self-test" else check_tree(pathlib.Path(sys.argv[1]))
    print("\n".join(problems) or "no violation")
    sys.exit(bool(problems))
