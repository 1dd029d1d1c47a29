#!/usr/bin/env python3
"""The dashboard in a headless Chromium: what is shown, what is done, and what is never run.

FETCHD_SCREENSHOTS=FOLDER writes pictures of it there; docs/images has those of a release.
"""
import json
import os
import pathlib
import shutil
import unittest

import browser
import harness
import test_callers
import test_json

SCREENSHOTS = os.environ.get("FETCHD_SCREENSHOTS")
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>\"'`"


@unittest.skipUnless(shutil.which("chromium"), "chromium is not installed: scripts/install-deps test")
class DashboardCase(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = browser.Browser()
        cls.addClassCleanup(cls.browser.close)

    def open(self, server, view="", width=1280, height=800, dark=False):
        page = self.browser.new_page()
        page.resize(width, height, mobile=width < 500)
        page.prefer("dark" if dark else "light")
        page.open(f"http://{server.admin_address}/{view}")
        return page

    def live(self, *arguments, **options):
        page = self.open(*arguments, **options)
        page.wait("document.querySelector('#link').dataset.state === 'live'")
        return page

    def assert_quiet(self, page):
        """Neither errors nor violations of the policy."""
        self.assertEqual(page.complaints, [])
        self.assertEqual(page.evaluate("document.querySelectorAll('script:not([src]), style, [style*=url], img').length"), 0)

    def picture(self, page, name):
        if SCREENSHOTS:
            page.screenshot(pathlib.Path(SCREENSHOTS) / f"{name}.png")

    def row(self, name, column="state"):
        return f"document.querySelector('tr[data-name=\"{name}\"] .{column}')?.textContent"

    def ended(self, server, *names):
        for name in names:
            harness.wait_for(lambda: server.job(name)["state"] in harness.TERMINAL, f"{name} ends")


    def keep_busy(self, server):
        """Jobs of several kinds; the names of those that have ended."""
        nginx = self.start_nginx(slow_rate="200k")
        done = [server.submit(nginx.add(f"debian-12.{i}.0-amd64-netinst.iso", b"x" * 30_000 * (i + 1)),
                              options=("--label", f"team={('blue', 'red')[i % 2]}", "--to", f"file:isos/debian-12.{i}.iso"))[0] for i in range(8)]
        done += server.submit(nginx.url("status/404"), options=("--label", "team=red", "--to", "file:isos/gone.iso"))
        done += server.submit(nginx.url("status/503"), options=("--max-attempts", "2", "--to", "file:isos/busy.iso"))
        self.ended(server, *done)
        nginx.add("image.qcow2", b"x" * 20_000_000)
        for i in range(3):
            server.submit(nginx.url("slow/image.qcow2"), options=("--to", f"file:images/image-{i}.qcow2"))
        return done, nginx.url("")[:-1]


class JobsTest(DashboardCase):
    def test_an_empty_server_says_how_to_begin(self):
        page = self.live(self.start_server())

        page.wait("document.querySelector('.notice strong')?.textContent === 'Nothing has been asked for yet'")
        self.assert_quiet(page)

    def test_jobs_appear_move_and_are_filtered_and_found(self):
        nginx = self.start_nginx(slow_rate="20k")
        server = self.start_server()
        page = self.live(server)
        (done,) = server.submit(nginx.add("done", b"body"), options=("--label", "team=blue"))
        page.wait(f"{self.row(done)} === 'succeeded'")
        (missing,) = server.submit(nginx.url("missing"), options=("--label", "team=red"))
        page.wait(f"{self.row(missing)} === 'failed'")
        (slow,) = server.submit(nginx.add("big", b"x" * 4_000_000).replace("/big", "/slow/big"), options=("--to", "file:isos/big"))
        page.wait(f"{self.row(slow)} === 'running' && document.querySelector('tr[data-name=\"{slow}\"] progress')?.value > 0")

        def shown():
            return page.evaluate("[...document.querySelectorAll('tr.job')].map((row) => row.dataset.name)")
        self.assertEqual(shown(), [slow, missing, done])

        page.press("/")
        page.type("MISSING")
        page.wait("document.querySelectorAll('tr.job').length === 1")
        self.assertEqual(shown(), [missing])
        page.evaluate("document.querySelector('#search').value = ''; document.querySelector('#search').dispatchEvent(new Event('input'))")
        page.evaluate("(() => { const state = document.querySelector('[aria-label=State]'); state.value = 'active'; state.dispatchEvent(new Event('change')); })()")
        page.wait("document.querySelectorAll('tr.job').length === 1")
        self.assertEqual(shown(), [slow])
        page.evaluate("(() => { const state = document.querySelector('[aria-label=State]'); state.value = ''; state.dispatchEvent(new Event('change'));"
                      " const label = document.querySelector('[aria-label=Label]'); label.value = 'team=blue'; label.dispatchEvent(new Event('input')); })()")
        page.wait("document.querySelectorAll('tr.job').length === 1")
        self.assertEqual(shown(), [done])
        page.evaluate("(() => { const label = document.querySelector('[aria-label=Label]'); label.value = 'team=none'; label.dispatchEvent(new Event('input')); })()")
        page.wait("document.querySelector('.notice strong')?.textContent === 'No job is like that'")
        page.click(".notice button")
        page.wait("document.querySelectorAll('tr.job').length === 3")
        self.assert_quiet(page)

        server.ctl("delete", done)
        page.wait("document.querySelectorAll('tr.job').length === 2")

    def test_a_job_is_opened_explained_paused_resumed_and_cancelled(self):
        nginx = self.start_nginx(slow_rate="20k")
        server = self.start_server()
        (failed,) = server.submit(nginx.url("status/503"), options=("--max-attempts", "2"))
        self.ended(server, failed)
        (slow,) = server.submit(nginx.add("big", b"x" * 4_000_000).replace("/big", "/slow/big"))
        page = self.live(server)
        page.wait("document.querySelectorAll('tr.job').length === 2")

        page.press("j")
        page.press("j")
        page.press("Enter")
        page.wait(f"location.hash === '#/{failed}' && document.querySelectorAll('.attempt svg rect').length > 1")
        self.assertEqual(page.evaluate("document.querySelectorAll('.attempt').length"), 2)
        self.assertIn("503", page.text())
        self.picture(page, "dashboard-job")
        page.press("Escape")
        page.wait("document.querySelectorAll('tr.job').length === 2")

        page.click(f"tr[data-name='{slow}'] td")
        for verb, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
            page.click(f"button[data-verb={verb}]")
            page.wait(f"document.querySelector('.title .state').textContent === '{state}'")
        self.assertEqual(server.job(slow)["state"], "CANCELLED")
        self.assert_quiet(page)

    def test_what_jobs_say_is_shown_as_text(self):
        server = self.start_server()
        listening = harness.free_port()
        job = {"spec": {"urls": [f"http://127.0.0.1:{listening}/<script>alert(3)</script>?a='\"><svg/onload=alert(4)>"], "retryPolicy": {"maxAttempts": 1}},
               "destination": "file:" + "x<b>y", "labels": {"note": HOSTILE}}
        manifest = self.folder / "job.json"
        manifest.write_text(json.dumps({"job": job}))
        made = test_json.curl(server, "/v1/jobs", "--json", f"@{manifest}")
        self.assertEqual(made.status, 200, made.body)
        name = made.json()["name"]
        page = self.live(server)
        page.wait(f"{self.row(name)} === 'failed'")

        self.assertIn(f"note={HOSTILE}", page.text())
        page.open(f"http://{server.admin_address}/#/{name}")
        page.wait("document.querySelector('.attempt svg rect')")
        self.assertIn(f"note={HOSTILE}", page.text())
        self.assertEqual(page.evaluate("document.querySelectorAll('main script, main img, main b, main [onerror], main svg[onload], main [onload]').length"), 0)
        self.assert_quiet(page)

    def test_a_page_goes_on_when_the_server_comes_back(self):
        url = self.start_nginx().add("body", b"body")
        server = self.start_server()
        page = self.live(server)
        server.stop()
        page.wait("document.querySelector('#link').dataset.state !== 'live'")
        server.start()
        page.wait("document.querySelector('#link').dataset.state === 'live'", 30)
        (name,) = server.submit(url)

        page.wait(f"{self.row(name)} === 'succeeded'")


class ServerTest(DashboardCase):
    def test_dials_and_origins_are_shown(self):
        server = self.start_server()
        _, origin = self.keep_busy(server)
        page = self.live(server)

        page.wait("document.querySelectorAll('figure.dial svg').length === 6")
        page.wait("document.querySelector('#server').textContent.includes('up')")
        # The first sample is of the first ten seconds.
        page.wait("document.querySelectorAll('figure.dial polyline').length > 0", 40)
        self.picture(page, "dashboard")
        page.open(f"http://{server.admin_address}/#/origins")
        page.wait(f"document.querySelector('.origins tbody tr td')?.textContent === '{origin}'")
        self.assert_quiet(page)
        self.picture(page, "dashboard-origins")

    def test_a_drain_is_asked_about_and_then_begins(self):
        server = self.start_server()
        page = self.live(server)

        page.click("#drain")
        page.wait("document.querySelector('#ask-drain').open")
        page.press("Escape")
        page.wait("!document.querySelector('#ask-drain').open")
        self.assertEqual(server.health("/readyz")[0], 200)

        page.click("#drain")
        page.click("#ask-drain button.danger")

        self.assertEqual(server.process.wait(60), 0)
        page.wait("document.querySelector('#toast').textContent.startsWith('Draining')")

    def test_on_a_phone_nothing_is_cut_off_and_in_the_dark_it_is_dark(self):
        server = self.start_server()
        names, _ = self.keep_busy(server)
        for view in ("", f"#/{names[-1]}", "#/origins"):
            page = self.live(server, view, width=390, height=844)
            page.wait("document.querySelector('#main').innerText.length > 20")
            page.wait("document.querySelectorAll('figure.dial svg').length === 6")
            self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), 390, view)
        self.picture(self.filled(server, width=390, height=844), "dashboard-phone")

        dark, light = self.filled(server, dark=True), self.filled(server)
        self.picture(dark, "dashboard-dark")
        shades = [page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).reduce((sum, part) => sum + Number(part), 0)")
                  for page in (dark, light)]
        self.assertLess(shades[0], 150)
        self.assertGreater(shades[1], 600)

    def filled(self, server, **options):
        page = self.live(server, **options)
        page.wait("document.querySelectorAll('tr.job').length === 13 && document.querySelectorAll('figure.dial svg').length === 6")
        return page

    def test_its_files_are_kept_and_may_load_nothing_from_elsewhere(self):
        server = self.start_server()
        page = self.live(server)

        self.assertEqual({url.split("/")[2] for url in page.responses}, {server.admin_address})
        for path in ("/", "/ui/app.js", "/ui/style.css"):
            head = {name.lower(): value for name, value in page.responses[f"http://{server.admin_address}{path}"]["headers"].items()}
            self.assertIn("default-src 'none'", head["content-security-policy"])
            self.assertNotIn("unsafe", head["content-security-policy"])
            self.assertEqual((head["x-content-type-options"], head["cache-control"]), ("nosniff", "no-cache"))


class TokenTest(DashboardCase, test_callers.CallersTest):
    def test_who_calls_is_asked_for_a_token_which_the_tab_keeps(self):
        url = self.start_nginx().add("body", b"body")
        ci = self.make_token("ci", "builds", "submit", "read")
        server = self.new_asking_server().start()
        server.connect = ci
        (name,) = server.submit(url)
        page = self.open(server)

        page.wait("document.querySelector('#ask-token').open")
        page.type("unknown")
        page.press("Enter")
        page.wait("document.querySelector('#token-error').textContent.includes('not known')")
        page.type(ci[1].read_text().strip())
        page.press("Enter")
        page.wait(f"{self.row(name)} === 'succeeded'")

        # What is an admin's is not there for him.
        self.assertTrue(page.evaluate("document.querySelector('#drain').hidden"))
        self.assertEqual(page.evaluate("document.querySelectorAll('figure.dial').length"), 0)
        self.assertEqual(page.evaluate("[localStorage.length, document.cookie, sessionStorage.length]"), [0, "", 1])
        page.call("Page.reload")
        page.wait(f"{self.row(name)} === 'succeeded'")
        self.assertFalse(page.evaluate("document.querySelector('#ask-token').open"))
        other = self.open(server)
        other.wait("document.querySelector('#ask-token').open")


if __name__ == "__main__":
    harness.main()
