"""MLflow from PyPI in a virtual environment of the build directory: its client for tests, its server for a bench."""
import sys

from others import once, ran

VERSION = "3.17.2"


def python_with(build, package):
    """The interpreter that has `package` ("mlflow-skinny", "mlflow"); Missing says why it cannot be had."""
    venv = build / f"venv-{package}"
    python = venv / "bin/python"
    done = venv / f"has-{VERSION}"

    def make():
        ran([sys.executable, "-m", "venv", str(venv)], 600)
        ran([str(python), "-m", "pip", "install", "--quiet", "--retries", "1", "--timeout", "20", f"{package}=={VERSION}"], 600)
        done.touch()

    once(done, make)
    return python
