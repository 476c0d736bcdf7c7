"""`ingot run` and `ingot runs` on a factory with real containers: a directory goes along, its output and what it leaves come
back, its exit code is the command's, and neither a crash of the factory nor of the one who waits loses any of it."""
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from e2e import BUILD, run_tests, skip_all, why_not
from factory import Factory
import oci

NEEDED = ["/usr/bin/containerd", "/usr/sbin/runc", "/bin/busybox", "/usr/sbin/nft"]
SECONDS = 120
TOOLS = ("sh", "cat", "sleep", "echo", "ls", "mkdir", "find", "sort", "ln", "id", "seq", "touch", "env")


class Project:
    """A directory that is run."""

    def __init__(self, factory, scratch):
        self.factory, self.path = factory, Path(tempfile.mkdtemp(dir=scratch))

    def write(self, name, text="x"):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def read(self, name):
        return (self.path / name).read_text()

    def argv(self, *args):
        return [self.factory.ingot, "--data", str(self.factory.data), *args]  # after `run` it is a data set

    def ingot(self, *args, code=0):
        ran = subprocess.run(["timeout", str(SECONDS), *self.argv(*args)], cwd=self.path, capture_output=True, text=True)
        assert ran.returncode == code, f"{ran.returncode}: {ran.stdout} {ran.stderr}"
        return ran

    def start(self, *args):
        return subprocess.Popen(self.argv(*args), cwd=self.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def runs(self):
        return {r["metadata"]["name"]: r for r in json.loads(self.ingot("runs", "list", "-o", "json").stdout)}


def an_exit_code_passes_through(project):
    ran = project.ingot("run", "--", "sh", "-c", "echo hello; echo again; exit 7", code=7)
    assert ran.stdout == "hello\nagain\n", ran
    assert "failed" in ran.stderr and "exit code 7" in ran.stderr, ran.stderr
    ran = project.ingot("run", "--", "echo", "well $(date) done")
    assert ran.stdout == "well $(date) done\n" and "succeeded" in ran.stderr, ran


def what_git_ignores_stays_behind(project):
    project.write(".gitignore", "*.bin\n/venv/\n!keep.bin\n")
    project.write("train.sh", "find . | sort")
    for name in ("a.bin", "keep.bin", "venv/x", ".git/config", "lib/util.sh", "outputs/old"):
        project.write(name)
    (project.path / "link").symlink_to("lib/util.sh")
    ran = project.ingot("run", "--", "sh", "train.sh")
    assert ran.stdout.split() == [".", "./.gitignore", "./keep.bin", "./lib", "./lib/util.sh", "./link", "./outputs",
                                  "./train.sh"], ran
    again = project.ingot("run", "--", "sh", "train.sh")
    assert "already there" in again.stderr and "already there" not in ran.stderr, again.stderr


def what_it_leaves_comes_back(project):
    project.write("outputs/mine", "mine")
    project.write("outputs/model", "old")
    script = "mkdir -p outputs/logs; echo new > outputs/model; echo text > outputs/logs/a; ln -s logs/a outputs/newest"
    ran = project.ingot("run", "--", "sh", "-c", script + "; exit 3", code=3)
    assert project.read("outputs/model") == "new\n" and project.read("outputs/newest") == "text\n", ran
    assert project.read("outputs/mine") == "mine"
    assert "1 replaced" in ran.stderr, ran.stderr
    told = json.loads(project.ingot("run", "-o", "json", "--", "sh", "-c", "echo said; echo newer > outputs/model").stdout)
    assert told["exitCode"] == 0 and told["outputs"]["files"] == 1, told
    assert project.read("outputs/model") == "newer\n"


def nothing_comes_back_beside_its_directory(project):
    for script in ("ln -s /etc/passwd outputs/bad", "ln -s ../../x outputs/bad", "mkdir outputs/d; ln -s ../.. outputs/d/bad"):
        ran = project.ingot("run", "--", "sh", "-c", script + "; echo x > outputs/good; exit 3", code=3)
        assert "bad" in ran.stderr and "leads out of it" in ran.stderr, ran
        assert not (project.path / "outputs/bad").is_symlink() and not (project.path / "outputs/d/bad").is_symlink()
    (project.path / "elsewhere").mkdir()
    for path in (project.path / "outputs").rglob("*"):
        path.rmdir() if path.is_dir() else path.unlink()
    (project.path / "outputs").rmdir()
    (project.path / "outputs").symlink_to("elsewhere")
    ran = project.ingot("run", "--", "sh", "-c", "echo x > outputs/f", code=1)
    assert "outputs is no directory but a link" in ran.stderr and not list((project.path / "elsewhere").iterdir()), ran


def it_is_told_its_environment_and_gpus(project):
    os.environ["FROM_HERE"] = "here"
    ran = project.ingot("run", "--gpus", "2", "--env", "A=1 $(B)", "--env", "FROM_HERE", "--memory", "64Mi", "--name", "told",
                        "--", "sh", "-c", "echo $A/$FROM_HERE/$NVIDIA_VISIBLE_DEVICES")
    a, here, gpus = ran.stdout.strip().split("/")
    assert (a, here, len(gpus.split(","))) == ("1 $(B)", "here", 2), ran.stdout
    assert "told" in project.runs()
    shown = project.ingot("runs", "show", "told").stdout
    assert "Succeeded" in shown and "GPUs" in shown, shown


def a_data_set_is_mounted(project):
    project.write("set/a.txt", "one")
    project.ingot("dataset", "add", "digits", "set")
    project.write("set/a.txt", "two")
    project.ingot("dataset", "add", "digits", "set")
    ran = project.ingot("run", "--data", "digits", "--", "sh", "-c", "cat /data/digits/a.txt; touch /data/digits/b", code=1)
    assert "two" in ran.stdout and "Read-only file system" in ran.stdout, ran
    ran = project.ingot("run", "--data", "digits@1", "--", "cat", "/data/digits/a.txt")
    assert ran.stdout == "one", ran


def a_loop_is_asked_for_by_its_name(project):
    say = {"name": "say", "inputs": {"parameters": [{"name": "x"}]}, "outputs": {"parameters": [
               {"name": "at", "globalName": "at", "valueFrom": {"path": "/at"}}]},
           "container": {"image": "trainer", "command": ["sh", "-c", "echo {{inputs.parameters.x}}; echo here > /at"]}}
    each = {"name": "each", "template": "say", "withItems": ["a", "b"],
            "arguments": {"parameters": [{"name": "x", "value": "{{item}}"}]}}
    made = project.factory.client().call("POST", "/clusters/vision/apis/argoproj.io/v1alpha1/namespaces/default/workflows", {
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "loop"},
        "spec": {"entrypoint": "main", "templates": [{"name": "main", "steps": [[each]]}, say]}})
    assert made[0] == 201, made
    project.ingot("runs", "logs", "-f", "loop")
    assert project.ingot("runs", "logs", "loop", "each").stdout.splitlines() == ["[each(0:a)] a", "[each(1:b)] b"]
    assert project.ingot("runs", "logs", "loop", "each(1:b)").stdout == "b\n"
    shown = project.ingot("runs", "show", "loop").stdout
    assert shown.count("at=here") == 1, shown


def a_command_is_listed_as_it_ran(project):
    echo = {"name": "main", "container": {"image": "trainer", "command": ["echo", "{{workflow.parameters.x}}"]}}
    project.factory.client().call("POST", "/clusters/vision/apis/argoproj.io/v1alpha1/namespaces/default/workflows", {
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "filled"},
        "spec": {"entrypoint": "main", "arguments": {"parameters": [{"name": "x", "value": "hello"}]}, "templates": [echo]}})
    assert project.ingot("runs", "logs", "-f", "filled").stdout == "hello\n"
    assert "echo hello" in project.ingot("runs", "list").stdout


def what_left_nothing_says_so(project):
    project.ingot("run", "--name", "empty", "--", "id")
    assert project.ingot("runs", "outputs", "empty").stdout == "run empty left no outputs\n"
    error = project.ingot("dataset", "add", "nothing", "--from-run", "empty:outputs", code=1).stderr
    assert error == "error: artifact empty:outputs holds no file\n", error


def what_never_began_says_so(project):
    ran = project.ingot("run", "--", "nosuch", code=1)
    assert 'its command cannot be started: exec: "nosuch"' in ran.stderr and "containerd" not in ran.stderr, ran.stderr
    waiting = project.start("run", "--image", "nosuch", "--", "true")
    for line in waiting.stderr:
        if "ImagePullBackOff" in line:
            break
    waiting.send_signal(signal.SIGINT)
    assert waiting.wait(SECONDS) == 130
    said = waiting.stderr.read()
    assert "was stopped" in said and "runs on" not in said and "error" not in said, said


def what_cannot_be_is_refused_by_name(project):
    def refused(*args, code=1):
        return project.ingot(*args, code=code).stderr

    assert "tenant vision has no data set none" in refused("run", "--data", "none", "--", "true")
    assert "holds {{" in refused("run", "--", "echo", "{{x}}")
    assert "COMMAND" in refused("run", "--gpus", "1", code=2)
    project.write("big", "x" * 5000)
    error = refused("run", "--max-size", "4Ki", "--", "true")
    assert "4.9 KiB  big" in error and ".gitignore" in error, error
    (project.path / "away").symlink_to("/etc")
    assert "away is a link to /etc, which leads out of" in refused("run", "--", "true")
    assert "has no run nothing" in refused("runs", "show", "nothing")


def a_run_that_waits_says_why_and_is_stopped(project):
    waiting = project.start("run", "--gpus", "64", "--name", "huge", "--", "true")
    for line in waiting.stderr:
        if line.startswith("waits: "):
            break
    assert "GPU" in line, line
    waiting.send_signal(signal.SIGINT)
    assert waiting.wait(SECONDS) == 130, waiting.stderr.read()
    said = waiting.stderr.read()
    assert "huge was stopped" in said and "shutdown" not in said, said
    assert "Stopped" in next(l for l in project.ingot("runs", "list").stdout.splitlines() if l.startswith("huge"))


def an_interruption_stops_what_runs(project):
    going = project.start("run", "--name", "long", "--", "sh", "-c",
                          "trap 'exit 9' TERM; echo began; while :; do sleep 0.1; done")
    assert going.stdout.readline() == "began\n"
    going.send_signal(signal.SIGINT)
    assert going.wait(SECONDS) == 130, going.stderr.read()
    assert project.runs()["long"]["status"]["phase"] == "Failed"


def a_run_goes_on_without_who_waits(project):
    going = project.start("run", "--name", "left", "--", "sh", "-c", "echo one; sleep 1; echo two; echo x > outputs/f")
    assert going.stdout.readline() == "one\n"
    going.kill()
    going.wait()
    assert project.ingot("runs", "logs", "-f", "left").stdout == "one\ntwo\n"
    assert project.runs()["left"]["status"]["phase"] == "Succeeded"
    project.ingot("runs", "outputs", "left")
    assert project.read("outputs/f") == "x\n"


def a_detached_run_is_found_by_its_name(project):
    name = project.ingot("run", "--detach", "--", "sh", "-c", "echo said; exit 4").stdout.strip()
    assert project.ingot("runs", "logs", "-f", name).stdout == "said\n"
    assert "exit code 4" in project.ingot("runs", "show", name).stdout
    project.ingot("runs", "retry", name)
    assert project.ingot("runs", "logs", "-f", name).stdout == "said\n"
    assert project.runs()[name]["status"]["phase"] == "Failed"
    assert "is over" in project.ingot("runs", "stop", name, code=1).stderr


def a_log_is_shown_as_it_is_written(project):
    name = project.ingot("run", "--detach", "--", "sh", "-c", "trap 'exit 9' TERM; echo began; while :; do sleep 0.1; done").stdout.strip()
    log = project.start("runs", "logs", "-f", name)
    assert log.stdout.readline() == "began\n"
    assert project.runs()[name]["status"]["phase"] == "Running"
    project.ingot("runs", "stop", name)
    assert log.wait(SECONDS) == 0, log.stderr.read()


def a_crash_of_the_factory_loses_nothing(project):
    going = project.start("run", "--name", "survivor", "--", "sh", "-c",
                          "seq 1 3; echo here; sleep 3; seq 4 6; echo x > outputs/f; exit 5")
    seen = []
    for line in going.stdout:
        seen.append(line.strip())
        if seen[-1] == "here":
            break
    project.factory.kill()
    project.factory.up()
    seen += going.stdout.read().split()
    assert going.wait(SECONDS) == 5, going.stderr.read()
    assert seen == ["1", "2", "3", "here", "4", "5", "6"], seen
    assert project.read("outputs/f") == "x\n"


def main():
    tests = [an_exit_code_passes_through, what_git_ignores_stays_behind, what_it_leaves_comes_back,
             nothing_comes_back_beside_its_directory,
             it_is_told_its_environment_and_gpus, a_data_set_is_mounted, a_loop_is_asked_for_by_its_name,
             a_command_is_listed_as_it_ran,
             what_left_nothing_says_so, what_never_began_says_so, what_cannot_be_is_refused_by_name,
             a_run_that_waits_says_why_and_is_stopped, an_interruption_stops_what_runs, a_run_goes_on_without_who_waits,
             a_detached_run_is_found_by_its_name, a_log_is_shown_as_it_is_written, a_crash_of_the_factory_loses_nothing]
    if why := why_not(NEEDED):
        return skip_all(tests, why)
    with Factory(BUILD, "--gpus", "simulated:1x4xH100-80GB") as factory, tempfile.TemporaryDirectory() as scratch:
        files = {"bin/busybox": (Path("/bin/busybox").read_bytes(), 0o755)}
        oci.write_archive(Path(scratch) / "trainer.tar", "trainer:latest", files, {f"bin/{t}": "busybox" for t in TOOLS},
                          ["sh"])
        factory.run("tenant", "create", "vision", "--gpus", "4")
        project = Project(factory, scratch)
        assert "has no image yet" in project.ingot("run", "--", "true", code=1).stderr
        factory.run("image", "load", str(Path(scratch) / "trainer.tar"), "--tenant", "vision")
        return run_tests(tests, lambda: (Project(factory, scratch),))


if __name__ == "__main__":
    sys.exit(main())
