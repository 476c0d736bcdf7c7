#!/usr/bin/env python3
"""./dev bench: measures the bars on this machine, peers in the same run.

Prints a table, or with -o json an array of {id, figure, value, unit, bar, ok, peer, note}. Exit code 1 if any bar is
missed. Every bench is a file in this folder with a function measure(ctx) that yields such rows.
"""
import argparse
import importlib
import json
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tools")]
BENCHES = {"control-plane": "control_plane", "node": "node_start", "pipelines": "pipelines", "registry": "registry", "scheduler": "scheduler", "simulate": "simulate"}


def row(id, figure, value, unit, bar, ok, peer=None, note=""):
    return {"id": id, "figure": figure, "value": value, "unit": unit, "bar": bar, "ok": bool(ok), "peer": peer,
            "note": note}


def progress(text):
    print(text, file=sys.stderr, flush=True)


def machine():
    model = next((l.split(":", 1)[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "unknown")
    cores = sum(1 for l in open("/proc/cpuinfo") if l.startswith("processor"))
    memory = int(next(l for l in open("/proc/meminfo") if l.startswith("MemTotal")).split()[1]) // (1 << 20)
    return f"{cores} cores ({model}), {memory} GiB"


def table(rows):
    cells = [("ID", "FIGURE", "VALUE", "BAR", "", "PEER")]
    for r in rows:
        cells.append((r["id"], r["figure"], f"{r['value']} {r['unit']}".strip(), r["bar"], "ok" if r["ok"] else "MISSED",
                      r["peer"] or ""))
    widths = [max(len(c[i]) for c in cells) for i in range(6)]
    for c in cells:
        print("  ".join(text.ljust(width) for text, width in zip(c, widths)).rstrip())
    for r in rows:
        if r["note"]:
            print(f"{r['id']}: {r['note']}")


def main():
    parser = argparse.ArgumentParser(prog="./dev bench")
    parser.add_argument("name", nargs="?", choices=sorted(BENCHES), help="one bench; all when absent")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    parser.add_argument("--data", help="folder with public traces, for simulate (or INGOT_TRACES)")
    parser.add_argument("--build", type=Path, required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.data:
        os.environ["INGOT_TRACES"] = options.data
    rows = []
    for name in [options.name] if options.name else BENCHES:
        progress(f"bench {name} on {machine()}")
        rows += importlib.import_module(BENCHES[name]).measure(options.build.resolve())
    if options.output == "json":
        print(json.dumps(rows, indent=1))
    else:
        table(rows)
    return 0 if all(r["ok"] for r in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
