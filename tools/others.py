"""Other people's programs, for tests: on PATH, or made once below the build directory."""
import fcntl
import os
import shutil
import subprocess
from pathlib import Path


class Missing(Exception):
    """Why there is none."""


def ran(argv, seconds=20 * 60, **more):
    """What it wrote on standard output."""
    shown = " ".join([Path(argv[0]).name, *map(str, argv[1:3])])
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds, **more)
    except OSError as error:
        raise Missing(f"{argv[0]}: {error.strerror}") from error
    except subprocess.TimeoutExpired as late:
        raise Missing(f"{shown} took longer than {seconds // 60} minutes") from late
    if done.returncode:
        said = (done.stderr + done.stdout).strip().splitlines() or ["it ended without a word"]
        raise Missing(f"{shown}: {said[-1][:200]}")
    return done.stdout


def once(target, make):
    """`target`, made by `make` if it is not there; who comes second finds it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{target}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            make()
    return str(target)


def built_with_go(name, target, make):
    """The program's path: what INGOT_<NAME> names, `target` if it is there, the one on PATH, or `target` made with Go; "off" makes none."""
    variable = f"INGOT_{name.upper()}"
    wish = os.environ.get(variable, "")
    if wish and wish != "off":
        return wish
    if target.is_file():
        return str(target)
    if on_path := shutil.which(name):
        return on_path
    if wish == "off":
        raise Missing(f"{variable}=off, and this machine has no {name}")
    if not shutil.which("go"):
        raise Missing(f"this machine has neither {name} nor Go to build it")
    return once(target, make)
