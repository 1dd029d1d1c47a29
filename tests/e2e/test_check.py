#!/usr/bin/env python3
"""The whole corpus of addresses that attackers write, against a server with its default policy."""
import json
import pathlib

import harness

CORPUS = pathlib.Path(__file__).parents[2] / "docs/egress-vectors.json"
# Ways to write a public address that are allowed as well as harmless; other forms may be refused.
CANONICAL = {"dotted", "explicit-port", "mapped-dotted", "mapped-hex", "nat64-dotted", "nat64-hex", "v6", "v6-exploded"}


class CheckTest(harness.TestCase):
    def test_every_vector_of_the_corpus_is_judged_rightly(self):
        server = self.start_server(allow_loopback=False)
        vectors = json.loads(CORPUS.read_text(encoding="utf-8"))["vectors"]
        answers = []
        for at in range(0, len(vectors), 500):
            # Refused URLs make the exit code 5; the answers are what counts.
            urls = [vector["url"] for vector in vectors[at:at + 500]]
            answers += server.json("check", "--", *urls, check=False)

        self.assertEqual(len(answers), len(vectors))
        wrong = []
        for vector, answer in zip(vectors, answers):
            allowed = answer.get("allowed", False)
            if vector["expect"] != "allow" and allowed:
                wrong.append(("let in", vector, answer))
            if vector["expect"] == "allow" and vector["form"] in CANONICAL and not allowed:
                wrong.append(("shut out", vector, answer))
            if answer.get("reason") not in self.reasons(vector):
                wrong.append(("another reason", vector, answer))
        self.assertEqual(wrong, [], f"{len(wrong)} of {len(vectors)}")

    def reasons(self, vector):
        if vector["expect"] == "reject" or vector["form"] in harness.ODD_IPV4:
            return {"INVALID_URL"}
        return {vector["verdict"] if vector["expect"] == "deny" else "ALLOWED"}

    def test_the_exit_code_says_whether_all_are_allowed(self):
        server = self.start_server(allow_loopback=False)

        self.assertEqual(server.ctl("check", "http://93.184.216.34/", check=False).returncode, 0)
        self.assertEqual(server.ctl("check", "http://93.184.216.34/", "http://127.0.0.1/", check=False).returncode, 5)


if __name__ == "__main__":
    harness.main()
