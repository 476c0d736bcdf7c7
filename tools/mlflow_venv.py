"""MLflow from PyPI in a virtual environment of the build directory: its client for tests, its server for a bench."""
import subprocess
import sys

VERSION = "3.17.2"


def python_with(build, package):
    """The interpreter that has `package` ("mlflow-skinny", "mlflow"); None, and why not, where it cannot be had."""
    venv = build / f"venv-{package}"
    python = venv / "bin/python"
    done = venv / f"has-{VERSION}"
    if done.exists():
        return python, ""
    for argv in ([sys.executable, "-m", "venv", str(venv)],
                 [str(python), "-m", "pip", "install", "--quiet", "--retries", "1", "--timeout", "20", f"{package}=={VERSION}"]):
        try:
            ran = subprocess.run(argv, capture_output=True, text=True, timeout=600)
        except subprocess.TimeoutExpired:
            return None, f"{' '.join(argv[1:4])} took too long"
        if ran.returncode:
            return None, (ran.stderr.strip().splitlines() or ["no reason given"])[-1][:200]
    done.touch()
    return python, ""
