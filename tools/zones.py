#!/usr/bin/env python3
"""Writes src/base/facts/zones.facts, the time zones of base/zone.h, from this machine's tzdata: for each name the rule that
holds from now on, and what is announced beside it. zones.py > src/base/facts/zones.facts"""
import re
import struct
from datetime import date, timedelta
from pathlib import Path

ROOT = Path("/usr/share/zoneinfo")
UNTIL = 4_102_444_800
SINCE = 1_735_689_600  # 2025-01-01: what was before decides no time to come
RULE = re.compile(r"(?P<std><[^>]+>|[A-Za-z]+)(?P<off>[-+\d:]+)((?P<dst><[^>]+>|[A-Za-z]+)(?P<dstoff>[-+\d:]*),"
                  r"M(?P<start>[\d.]+)(/(?P<at>[-\d:]+))?,M(?P<end>[\d.]+)(/(?P<until>[-\d:]+))?)?$")


def seconds(text):
    sign, parts = (-1 if text.startswith("-") else 1), text.lstrip("+-").split(":")
    return sign * sum(int(p) * s for p, s in zip(parts, (3600, 60, 1)))


def footer(text):
    """POSIX TZ to "STANDARD [DAYLIGHT START/SECONDS END/SECONDS]"."""
    rule = RULE.match(text)
    assert rule, text
    standard = -seconds(rule["off"])
    if not rule["dst"]:
        return f"{standard}"
    daylight = -seconds(rule["dstoff"]) if rule["dstoff"] else standard + 3600
    at, until = seconds(rule["at"] or "2"), seconds(rule["until"] or "2")
    return f"{standard} {daylight} {rule['start']}/{at} {rule['end']}/{until}"


def read(data):
    """The footer, and (time, offset) of every change."""
    header = struct.Struct(">4sc15x6I")
    magic, _, utc, std, leap, times, types, chars = header.unpack_from(data)
    assert magic == b"TZif"
    at = header.size + times * 5 + types * 6 + chars + leap * 8 + std + utc
    _, _, utc, std, leap, times, types, chars = header.unpack_from(data, at)
    at += header.size
    when = struct.unpack_from(f">{times}q", data, at)
    which = struct.unpack_from(f">{times}B", data, at + 8 * times)
    at += 9 * times
    offsets = [struct.unpack_from(">iBB", data, at + 6 * i)[0] for i in range(types)]
    at += 6 * types + chars + leap * 12 + std + utc
    return data[at:].strip().decode(), [(t, offsets[i]) for t, i in zip(when, which) if t != 2**31 - 1]  # which fills up


def day(year, rule):
    """Days since 1970 of "month.week.weekday"."""
    month, week, weekday = map(int, rule.split("."))
    first = date(year, month, 1)
    on = first + timedelta((weekday - first.isoweekday()) % 7 + 7 * (week - 1))
    while on.month != month:
        on -= timedelta(7)
    return (on - date(1970, 1, 1)).days


def regular(rule, changes):
    """Whether the rule alone says every change."""
    if len(rule.split()) == 1:
        return not changes
    standard, daylight, start, end = rule.split()
    ruled = set()
    for year in range(2025, 2038):
        for offset, before, (on, at) in ((daylight, standard, start.split("/")), (standard, daylight, end.split("/"))):
            ruled.add((day(year, on) * 86400 + int(at) - int(before), int(offset)))
    return ruled == set(changes)


def main():
    files = {str(p.relative_to(ROOT)): p for p in ROOT.rglob("*") if p.is_file() and p.read_bytes()[:4] == b"TZif"}
    print("# Written by tools/zones.py from tzdata: name, seconds east of UTC, daylight's, when it begins and ends")
    print("# (month.week.day/seconds of local time), and changes that are announced beside the rule, time:seconds.")
    for name, path in sorted(files.items()):
        if name.startswith(("posix/", "right/")) or name in ("localtime", "posixrules", "Factory"):
            continue
        text, changes = read(path.read_bytes())
        rule = footer(text)
        extra = ""
        later = [(t, o) for t, o in changes if SINCE <= t < UNTIL]
        if not regular(rule, later):
            before = [c for c in changes if c[0] < SINCE][-1:]
            extra = "".join(f" {t}:{o}" for t, o in [*before, *later])
        print(f"{name} {rule}{extra}")


if __name__ == "__main__":
    main()
