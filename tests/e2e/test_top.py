#!/usr/bin/env python3
"""fetchctl top in a real terminal: tmux holds it, types, resizes it and says what is on the screen.

FETCHD_WRITE_DOCS=1 writes docs/images/top.txt from what is seen here.
"""
import contextlib
import os
import pathlib
import pty
import re
import select
import shlex
import signal
import subprocess
import uuid

import harness
from harness import wait_for

PICTURE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "images" / "top.txt"
COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7]m")


class Terminal:
    """A shell in a terminal of its own; nothing of this machine's tmux is touched."""

    def __init__(self, folder, width=80, height=24, **environment):
        self.socket = f"fetchd-{uuid.uuid4().hex[:12]}"
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMUX_TMPDIR": str(folder), "LANG": "C.UTF-8",
                            "TERM": "xterm-256color", "PS1": "$ ", **environment}
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", width, "-y", height, "sh")

    def tmux(self, *arguments):
        return subprocess.run(["tmux", "-L", self.socket, *map(str, arguments)], env=self.environment, text=True, check=True,
                              capture_output=True, stdin=subprocess.DEVNULL).stdout

    def type(self, text):
        self.tmux("send-keys", "-l", text)

    def press(self, *keys):
        self.tmux("send-keys", *keys)

    def says(self, variable):
        return self.tmux("display-message", "-p", f"#{{{variable}}}").strip()

    def program(self):
        """The process that the shell waits for."""
        shell = self.says("pane_pid")
        return int(pathlib.Path(f"/proc/{shell}/task/{shell}/children").read_text())

    def run(self, command):
        self.type(command)
        self.press("Enter")

    def screen(self, *options):
        return self.tmux("capture-pane", "-p", *options)

    def resize(self, width, height):
        self.tmux("resize-window", "-x", width, "-y", height)

    def wait(self, text, seconds=30):
        """Returns the screen once `text` (a pattern) is on it."""
        seen = {}

        def is_there():
            seen["screen"] = self.screen()
            return re.search(text, seen["screen"], re.M)
        try:
            wait_for(is_there, text, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; the screen:\n{seen['screen']}") from None
        return seen["screen"]

    def wait_without(self, text, seconds=30):
        wait_for(lambda: not re.search(text, self.screen(), re.M), f"no {text} on the screen", seconds)

    def stop(self):
        subprocess.run(["tmux", "-L", self.socket, "kill-server"], env=self.environment, check=False, capture_output=True)


class TopTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.nginx = self.start_nginx()
        self.server = self.start_server()

    def open_terminal(self, **options):
        terminal = Terminal(self.folder, **options)
        self.addCleanup(terminal.stop)
        return terminal

    def start_top(self, terminal, *options):
        command = [harness.binaries["fetchctl"], "--server", self.server.address, "top", "--interval", "200ms", *options]
        terminal.run("echo was-here; " + shlex.join(command) + "; echo code=$?")
        terminal.wait("^dials")

    def submit_slow(self, *names):
        for name in names:
            self.nginx.add(name, harness.pattern(4_000_000))
        return self.server.submit(*(self.nginx.url(f"slow/{name}") for name in names))

    def state(self, job):
        return self.server.job(job)["state"]

    def test_shows_what_runs_and_leaves_the_screen_as_it_was(self):
        self.submit_slow("one.iso", "two.iso")
        terminal = self.open_terminal(width=100)
        self.start_top(terminal)

        screen = terminal.wait(r"^RUNNING +\d+% +3\.8 MiB +[\d.]+ KiB/s .*slow/one\.iso")
        terminal.wait(r"^rates  in [\d.]+ .*/s")
        self.assertRegex(screen, r"jobs   running 2/256 ")
        self.assertNotIn("was-here", screen)
        if os.environ.get("FETCHD_WRITE_DOCS") == "1":
            PICTURE.parent.mkdir(parents=True, exist_ok=True)
            PICTURE.write_text(terminal.screen())
        terminal.type("q")

        self.assertIn("was-here", terminal.wait("^code=0"))
        self.assertNotIn("dials", terminal.screen())

    def test_keys_move_sort_filter_and_change_the_tab(self):
        self.submit_slow("one.iso", "two.iso")
        terminal = self.open_terminal(width=100)
        self.start_top(terminal)
        terminal.wait("slow/two.iso")

        terminal.type("?")
        terminal.wait("any key goes back")
        terminal.type("x")
        terminal.wait("^RUNNING")
        terminal.type("/one")
        terminal.press("Enter")
        terminal.wait_without("slow/two.iso")
        terminal.press("Escape")
        terminal.wait("slow/two.iso")
        terminal.type("s")
        terminal.wait("by progress")
        terminal.press("Tab")
        terminal.wait(rf"\[Origins\][^$]*127\.0\.0\.1:{self.nginx.port}")
        terminal.press("Tab")
        terminal.wait(r"\[Jobs\]")

    def test_cancel_asks_first_and_pause_can_be_undone(self):
        (job,) = self.submit_slow("one.iso")
        terminal = self.open_terminal()
        self.start_top(terminal)
        terminal.wait("^RUNNING")

        terminal.type("p")
        terminal.wait("^PAUSED")
        self.assertEqual(self.state(job), "PAUSED")
        terminal.type("p")
        terminal.wait("^RUNNING")
        terminal.type("c")
        terminal.wait(re.escape(f"cancel {job}? [y/N]"))
        terminal.type("n")
        terminal.wait("q quit")
        self.assertEqual(self.state(job), "RUNNING")
        terminal.type("c")
        terminal.type("y")
        terminal.wait(f"cancelled {job}")
        self.assertEqual(self.state(job), "CANCELLED")

    def test_follows_the_size_of_the_terminal(self):
        (job,) = self.submit_slow("one.iso")
        terminal = self.open_terminal()
        self.start_top(terminal)
        self.assertNotIn("NAME", terminal.wait("^STATE"))

        terminal.resize(140, 40)
        self.assertIn(job, terminal.wait("^STATE .*NAME.*URL"))
        terminal.resize(30, 8)
        terminal.wait("too small")
        terminal.resize(80, 24)
        terminal.wait("^RUNNING")

    def test_ctrl_c_gives_the_terminal_back(self):
        terminal = self.open_terminal()
        self.start_top(terminal)

        terminal.press("C-c")

        terminal.wait("^code=130")
        self.assert_given_back(terminal)

    def test_the_second_ctrl_c_does_so_too(self):
        terminal = self.open_terminal()
        self.start_top(terminal)
        program = terminal.program()

        os.kill(program, signal.SIGINT)
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            wait_for(lambda: not is_pending(program, signal.SIGINT), "the first is taken")
            os.kill(program, signal.SIGINT)  # Sooner than the first one is acted on.

        self.assertIn("was-here", terminal.wait("^code=130"))
        self.assertEqual((terminal.says("alternate_on"), terminal.says("cursor_flag")), ("0", "1"))
        self.assert_given_back(terminal)

    def assert_given_back(self, terminal):
        terminal.run("stty -a")
        self.assertRegex(terminal.wait("icanon"), r"(?<![-\w])icanon.*[\s\S]*(?<![-\w])echo\b")

    def test_what_is_asked_for_just_before_the_end_is_done(self):
        (job,) = self.submit_slow("one.iso")
        terminal = self.open_terminal()
        self.start_top(terminal)
        terminal.wait("^RUNNING")

        terminal.type("cyq")

        terminal.wait("^code=0")
        self.assertEqual(self.state(job), "CANCELLED")

    def test_says_what_it_got_no_answer_to(self):
        (job,) = self.submit_slow("one.iso")
        terminal = self.open_terminal(width=140)
        self.start_top(terminal)
        terminal.wait("^RUNNING")
        self.server.process.send_signal(signal.SIGSTOP)
        self.addCleanup(self.server.process.send_signal, signal.SIGCONT)

        terminal.type("cypq")

        screen = terminal.wait("^code=6")
        self.assertRegex(screen, f"(?m)^fetchctl: {job}: no answer to cancel, ")
        self.assertRegex(screen, f"(?m)^fetchctl: {job}: pause was not sent")

    def test_a_server_that_goes_away_is_waited_for(self):
        terminal = self.open_terminal()
        self.start_top(terminal)

        self.server.stop(signal.SIGKILL)
        terminal.wait("no answer for .*, trying again")
        self.server.start()

        terminal.wait_without("no answer")
        terminal.wait("q quit")

    def test_no_colour_where_none_is_wanted(self):
        for environment, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
            with self.subTest(environment):
                terminal = self.open_terminal(**environment)
                self.start_top(terminal)
                self.assertEqual(bool(COLOUR.search(terminal.screen("-e"))), coloured)


def is_pending(process, which):
    status = pathlib.Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"^ShdPnd:\s+(\w+)", status, re.M)[1], 16) & 1 << (which - 1)


class WithoutTerminalTest(harness.TestCase):
    def start_top(self, server, **streams):
        command = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", harness.binaries["fetchctl"], "--server", server.address, "top"]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True,
                                   env={**os.environ, "TERM": "xterm"}, **streams)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def read_until(self, terminal, text):
        seen = b""
        while text not in seen:
            self.assertTrue(select.select([terminal], [], [], 30)[0], f"no {text} in {seen}")
            seen += os.read(terminal, 65536)
        return seen

    def test_prints_once_where_nothing_can_be_typed(self):
        terminal, its_end = pty.openpty()
        self.addCleanup(os.close, terminal)
        self.addCleanup(os.close, its_end)

        process = self.start_top(self.start_server(), stdin=subprocess.DEVNULL, stdout=its_end)

        self.assertNotIn(b"\x1b", self.read_until(terminal, b"[Origins]"))
        self.assertEqual(process.wait(30), 0)

    def test_ends_with_its_terminal(self):
        terminal, its_end = pty.openpty()
        process = self.start_top(self.start_server(), stdin=its_end, stdout=its_end)
        os.close(its_end)
        self.read_until(terminal, b"dials")

        os.close(terminal)

        self.assertEqual(process.wait(30), 0)

    def test_prints_once(self):
        server = self.start_server()

        for options in ([], ["--once"]):
            text = server.ctl("top", *options).stdout
            self.assertRegex(text, r"(?m)^dials  reuse")
            self.assertIn("[Jobs]", text)
            self.assertIn("[Origins]", text)
            self.assertNotIn("\x1b", text)

    def test_says_what_is_wrong(self):
        server = self.new_server()
        self.assertEqual(server.ctl("top", check=False).returncode, 3)
        wrong = server.ctl("top", "--interval", "5ms", check=False)
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("100ms", wrong.stderr)


if __name__ == "__main__":
    harness.main()
