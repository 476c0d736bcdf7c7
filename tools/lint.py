#!/usr/bin/env python3
"""The house rules that a machine can check: the folder map, the arrows, formatting, words. Exit code 1 on a finding."""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What a room may include, itself aside. Arrows point down; siblings meet through objects in the store.
LOW = {"api", "env", "base"}
ARROWS = {
    "base": set(),
    "env": {"base"},
    "api": {"base"},
    "gpu": LOW,
    "scheduler": LOW | {"gpu"},
    "policy": LOW | {"gpu"},
    "cel": LOW,
    "expr": LOW,
    "workflow": LOW | {"expr"},
    "data": LOW,
    "git": LOW,
    "store": LOW,
    "apiserver": LOW | {"store", "policy", "cel", "workflow", "git"},
    "controllers": LOW | {"store", "scheduler", "gpu", "policy", "cel", "data"},
    "metering": LOW | {"store", "gpu", "policy"},
    "registry": LOW | {"store", "policy", "data"},
    "pipelines": LOW | {"store", "workflow", "policy", "git"},
    "replay": LOW | {"scheduler", "gpu"},
    "node": LOW | {"gpu", "policy"},
    "sim": LOW | {"apiserver", "controllers", "metering", "node", "pipelines", "workflow", "store", "scheduler", "gpu",
            "policy"},
    "host": LOW | {"apiserver", "controllers", "metering", "node", "store", "scheduler", "gpu", "policy", "data", "git",
             "registry"},
    "ingot": None,  # the composition root sees everything
}
TOP = {".ci", "bench", "cmake", "docs", "examples", "images", "src", "tests", "tools"}
HEAVY = re.compile(r"#include <(boost/asio|boost/beast|grpc)")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
LONGEST = 500  # lines of code we write; generated tables are data and live in facts/


def tracked(*patterns):
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", *patterns], cwd=ROOT, capture_output=True,
                         text=True, check=True).stdout
    return [ROOT / line for line in out.splitlines() if (ROOT / line).is_file()]


def sources():
    return tracked("src/*.h", "src/*.cc", "bench/*.cc", "bench/*.h", "tests/*.cc", "tests/*.h")


def room(path):
    parts = path.relative_to(ROOT).parts
    return parts[1] if parts[0] == "src" and len(parts) > 2 else None


def check_folder_map():
    tops = {p.relative_to(ROOT).parts[0] for p in tracked() if len(p.relative_to(ROOT).parts) > 1}
    for name in sorted(tops - TOP):
        yield f"{name}/: not in the folder map of ARCHITECTURE.md"
    rooms = {room(p) for p in tracked("src/*")} - {None}
    for name in sorted(rooms - set(ARROWS)):
        yield f"src/{name}/: a room without arrows; add it to tools/lint.py and ARCHITECTURE.md"
    for name in sorted(rooms):
        if not (ROOT / "src" / name / "README.md").is_file():
            yield f"src/{name}/: no README.md"


def check_arrows():
    include = re.compile(r'^\s*#include "([a-z_]+)/', re.M)
    for path in sources():
        own = room(path)
        allowed = ARROWS.get(own) if own else None
        if allowed is None:
            continue
        for target in sorted(set(include.findall(path.read_text()))):
            if target in ARROWS and target != own and target not in allowed:
                yield f"{path.relative_to(ROOT)}: src/{own} must not include {target}/"


def check_heavy_headers():
    for path in sources():
        if HEAVY.search(path.read_text()) and (path.suffix == ".h" or room(path) not in ("host", None)):
            yield f"{path.relative_to(ROOT)}: Asio, Beast and gRPC belong in src/host/*.cc only"


def check_sqlite():
    for path in sources():
        if "#include <sqlite3.h>" in path.read_text() and room(path) not in ("store", "sim"):
            yield f"{path.relative_to(ROOT)}: SQLite belongs to src/store/ (and its simulated disk)"


def check_length():
    for path in sources():
        lines = path.read_text().count("\n")
        if lines > LONGEST:
            yield f"{path.relative_to(ROOT)}: {lines} lines; think again at {LONGEST}"


def check_unfinished():
    for path in sources():
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if UNFINISHED.search(line):
                yield f"{path.relative_to(ROOT)}:{number}: unfinished by its own word"


def check_namespaces():
    for path in tracked("src/*.h"):
        own = room(path)
        text = path.read_text()
        if own and own not in ("base", "ingot") and "namespace" in text and f"namespace ingot::{own}" not in text:
            yield f"{path.relative_to(ROOT)}: folder = namespace: expected ingot::{own}"


def check_format():
    files = [str(p) for p in sources()]
    if not files:
        return
    result = subprocess.run(["clang-format-19", "--dry-run", "-Werror", *files], capture_output=True, text=True)
    for name in sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", result.stderr, re.M))):
        yield f"{Path(name).relative_to(ROOT)}: not formatted; run ./dev format"


def main():
    checks = [check_folder_map, check_arrows, check_heavy_headers, check_sqlite, check_length, check_unfinished,
              check_namespaces, check_format]
    failed = 0
    for check in checks:
        findings = list(check())
        name = check.__name__.removeprefix("check_").replace("_", " ")
        print(f"{'fail' if findings else 'ok'} {name}")
        for finding in findings:
            print(f"  {finding}")
        failed += bool(findings)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
