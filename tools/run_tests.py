#!/usr/bin/env python3
"""Runs every test suite and counts: lint, unit tests, simulation, integration. Exit code 1 when one failed.

A suite is a program. GoogleTest programs are counted test by test; the others print a line a test,
`ok NAME`, `fail NAME…` or `skip NAME: why`, anything else being detail.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINE = re.compile(r"^(ok|fail|skip) (.+)$")


class Count:
    def __init__(self):
        self.passed, self.failures, self.skips = 0, [], []

    def add(self, verdict, name):
        if verdict == "ok":
            self.passed += 1
        elif verdict == "skip":
            self.skips.append(name)
        else:
            self.failures.append(name)


def run_gtest(program, count, log):
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        code = subprocess.call([program, f"--gtest_output=json:{out.name}", "--gtest_brief=1"], stdout=log, stderr=log)
        try:
            report = json.load(open(out.name))
        except ValueError:
            count.add("fail", f"{program.name} (ended with {code} before its report)")
            return
    for suite in report["testsuites"]:
        for test in suite["testsuite"]:
            name = f"{program.name}: {suite['name']}.{test['name']}"
            skipped = [s.get("message", "") for s in test.get("skipped", [])]
            if test.get("failures"):
                count.add("fail", name)
            elif test["result"] == "SKIPPED":
                count.add("skip", f"{name}: {' '.join(skipped).strip().splitlines()[-1] if any(skipped) else 'skipped'}")
            else:
                count.add("ok", name)
    if code != 0 and not count.failures:
        count.add("fail", f"{program.name} (exit code {code})")


def run_lines(name, argv, count, log, env):
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, cwd=ROOT)
    seen = failed = 0
    for line in process.stdout:
        log.write(line)
        log.flush()
        match = LINE.match(line.rstrip())
        if match:
            seen += 1
            failed += match[1] == "fail"
            count.add(match[1], f"{name}: {match[2]}")
    code = process.wait()
    if code != 0 and not failed:
        count.add("fail", f"{name} (exit code {code})")
    if seen == 0 and code == 0:
        count.add("fail", f"{name} (ran no test)")


def suites(build):
    yield "lint", [sys.executable, str(ROOT / "tools/lint.py")]
    for program in sorted(build.glob("*_test")):
        yield program.name, program
    if (build / "ingot-sim").exists():
        yield "simulation", [str(build / "ingot-sim"), "--suite", "--kept", str(ROOT / "tests/scenarios/kept_seeds.txt")]
    for program in sorted(build.glob("*_it")):
        yield program.name, program
    for script in sorted((ROOT / "tests/integration").glob("*_test.sh")):
        yield script.stem, ["bash", str(script)]


def main():
    parser = argparse.ArgumentParser(prog="./dev test")
    parser.add_argument("--all", action="store_true", help="a skipped test is a failure")
    parser.add_argument("--build", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("only", nargs="*", help="run suites whose name contains one of these")
    options = parser.parse_args()
    build = options.build.resolve()
    env = dict(os.environ, INGOT=str(build / "ingot"), BUILD=str(build))
    total = Count()
    logs = build / "test-logs"
    logs.mkdir(exist_ok=True)
    for name, what in suites(build):
        if options.only and not any(word in name for word in options.only):
            continue
        count, started = Count(), time.monotonic()
        path = logs / f"{name}.log"
        with open(path, "w") as log:
            if isinstance(what, Path):
                run_gtest(what, count, log)
            else:
                run_lines(name, what, count, log, env)
        verdict = "FAIL" if count.failures else "ok"
        print(f"{verdict:4} {name:24} {count.passed:4} passed {len(count.failures):3} failed {len(count.skips):3} skipped"
              f"  {time.monotonic() - started:6.1f} s", flush=True)
        if count.failures:
            for failure in count.failures:
                print(f"     failed: {failure}")
            print("     " + "\n     ".join(path.read_text(errors="replace").splitlines()[-40:]))
            print(f"     whole log: {path}")
        total.passed += count.passed
        total.failures += count.failures
        total.skips += count.skips
    for skip in total.skips:
        print(f"skipped: {skip}")
    print(f"{total.passed} passed, {len(total.failures)} failed, {len(total.skips)} skipped")
    return 1 if total.failures or total.passed == 0 or (options.all and total.skips) else 0


if __name__ == "__main__":
    sys.exit(main())
