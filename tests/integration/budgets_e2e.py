"""Budgets on a factory of simulated GPUs: work beyond them is held before any GPU, let go by an exception, stopped; what was
counted outlives kill -9."""
import json
import sys

from e2e import BUILD, MERGE, ROOT_API as API, Desk, events, run_tests
from factory import Factory


class Purse(Desk):
    def budget(self, name):
        return json.loads(self.ingot("budget", "show", name, "-o", "json"))

    def pods(self, tenant="vision"):
        return f"/clusters/{tenant}/api/v1/namespaces/default/pods"

    def pod(self, name, gpus=1, seconds=3600, tenant="vision"):
        """On a node that runs nothing: it ends by itself after so long."""
        made = self.call("POST", self.pods(tenant), {
            "metadata": {"name": name, "annotations": {"ingot.dev/hollow": json.dumps({"runSeconds": seconds})}},
            "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
                     "containers": [{"name": "main", "image": "train:1", "resources": {"limits": {"nvidia.com/gpu": gpus}}}]}})
        return made["metadata"]["uid"]

    def until(self, path, done, seconds=60):
        """Follows a watch until done(event)."""
        for kind, seen in events(self.factory, path, seconds):
            if done(kind, seen):
                return seen
        raise AssertionError(f"the watch of {path} ended")

    def revision(self, path):
        """From which on a watch tells everything that comes."""
        return self.call("GET", path)["metadata"]["resourceVersion"]

    def pod_until(self, name, done, tenant="vision", since=None):
        begin = f"&resourceVersion={since}" if since else ""
        return self.until(f"{self.pods(tenant)}?fieldSelector=metadata.name={name}{begin}", done)

    def running(self, name, tenant="vision"):
        return self.pod_until(name, lambda _, pod: pod["status"].get("phase") == "Running", tenant)

    def held(self, name, tenant="vision"):
        """The reason a budget gives."""
        def told(_, pod):
            assert not pod["spec"].get("nodeName"), pod
            return reason(pod).startswith("budget ")
        return reason(self.pod_until(name, told, tenant))

    def allocated(self, uid):
        return self.client.call("GET", f"{API}/allocations/{uid}")[0] == 200


def reason(pod):
    return next((c.get("message", "") for c in pod["status"].get("conditions", []) if c["type"] == "PodScheduled"), "")


def condition(pod, kind):
    return next((c for c in pod["status"].get("conditions", []) if c["type"] == kind), {})


def work_beyond_it_is_held_before_any_gpu(desk):
    told = desk.ingot("budget", "create", "vision-week", "--tenant", "vision", "--amount", "5000", "--period", "week",
                      "--soft", "80%=lower-priority", "--assumed-run-time", "1h")
    assert told == "budget vision-week created: 5000 USD a week\n", told
    desk.pod("first")
    desk.running("first")
    uid = desk.pod("second")
    why = desk.held("second")
    assert "of 5000.00 USD until " in why and "this costs up to 3600." in why and "ask an operator for more" in why, why
    assert not desk.allocated(uid)
    explained = desk.ingot("explain", "vision/default/second")
    assert "budget vision-week: spent " in explained and "this costs up to 3600." in explained, explained
    shown = desk.ingot("budget", "show", "vision-week")
    assert "vision/default/first" in shown and "1 pod running, 1 held for money" in shown, shown
    assert "soft limit 4000.00: LowerPriority" in shown and "hard limit 5000.00: HoldNew" in shown, shown
    assert "vision-week  tenant vision  week" in desk.ingot("budget", "list"), desk.ingot("budget", "list")
    desk.pod("other", tenant="speech")
    desk.running("other", "speech")


def an_exception_lets_its_target_go(desk):
    desk.call("POST", f"{API}/gateexceptions", {"metadata": {"name": "one-more"}, "spec": {
        "budget": "vision-week", "target": {"tenant": "vision", "pod": "second"}, "reason": "a demonstration",
        "expires": "2199-01-01T00:00:00Z"}})
    desk.running("second")
    desk.pod("third")
    assert desk.held("third").startswith("budget vision-week: ")


def more_money_lets_work_go(desk):
    desk.ingot("budget", "set", "vision-week", "--amount", "20000")
    desk.running("third")


def what_was_counted_outlives_a_crash(desk):
    since = desk.revision(f"{API}/allocations")
    desk.pod("short", seconds=1)
    desk.until(f"{API}/allocations?resourceVersion={since}",
               lambda kind, a: kind == "DELETED" and a["spec"]["pod"] == "short")
    before = desk.budget("vision-week")
    for _ in range(2):
        desk.factory.kill()
        desk.up_again()
    after = desk.budget("vision-week")
    while after["phase"] == "Counting":
        after = desk.budget("vision-week")
    # What the ledger sums for everything that was held says the same, to what passed between the two looks.
    assert float(after["spent"]) >= float(before["spent"]), (before, after)
    usage = json.loads(desk.ingot("usage", "--tenant", "vision", "-o", "json"))["tenants"][0]
    later = desk.budget("vision-week")
    assert float(after["spent"]) - 0.01 <= float(usage["cost"]) <= float(later["spent"]) + 0.01, (after, usage, later)
    names = [w["pod"] for w in later["work"]]
    assert "first" in names and "short" in names, later


def who_is_told(desk):
    own = desk.factory.client("vision")
    summaries = "/clusters/{}/apis/factory.ingot.dev/v1alpha1/budgetsummaries"
    code, body = own.call("GET", summaries.format("vision"))
    assert code == 200 and [b["budget"] for b in json.loads(body)["budgets"]] == ["vision-week"], body
    for path in (summaries.format("speech"), summaries.format("root"), f"{API}/budgets"):
        code, body = own.call("GET", path)
        assert code in (401, 403), (path, code, body)
    desk.ingot("budget", "create", "both", "--tenant", "vision", "--tenant", "speech", "--amount", "1000000")
    code, body = own.call("GET", summaries.format("vision") + "?name=both")
    shared = json.loads(body)["budgets"][0]
    assert shared["phase"] in ("Ok", "Counting") and "spent" not in shared and "tenants" not in shared, shared
    page = desk.client.call("GET", "/metrics")[1].decode()
    assert 'ingot_budget_amount{budget="vision-week",currency="USD"} 20000' in page, page
    assert "ingot_budget_amount" not in "".join(
        line for line in own.call("GET", "/metrics")[1].decode().splitlines() if 'budget="both"' in line)
    desk.ingot("budget", "delete", "both")


def what_means_nothing_is_refused(desk):
    told = desk.ingot("budget", "create", "x", "--amount", "5", "--soft", "80%", check=2)
    assert "give AT=ACTION" in told, told
    told = desk.ingot("budget", "create", "x", "--amount", "much", check=1)
    assert "spec.amount" in told and "500.00" in told, told
    told = desk.ingot("budget", "show", "x", check=1)
    assert "there is no budget" in told, told


def stop_stops_what_runs(desk):
    desk.call("POST", f"{API}/gateexceptions", {"metadata": {"name": "kept"}, "spec": {
        "budget": "vision-week", "target": {"tenant": "vision", "namespace": "default", "pod": "kept-*"},
        "reason": "a demonstration", "expires": "2199-01-01T00:00:00Z"}})
    since = desk.revision(desk.pods())
    for name in ("runs", "kept-1"):
        desk.pod(name)
        desk.running(name)
    spent = float(desk.budget("vision-week")["spent"])
    desk.ingot("budget", "set", "vision-week", "--amount", f"{spent + 3:.2f}", "--hard", "100%=stop", "--soft", "none")
    stopped = desk.pod_until("runs", lambda kind, pod: "deletionTimestamp" in pod["metadata"], since=since)
    why = condition(stopped, "DisruptionTarget")
    assert why["reason"] == "BudgetSpent" and why["message"].startswith("stopped: budget vision-week is spent: "), why
    assert "deletionTimestamp" not in desk.call("GET", f"{desk.pods()}/kept-1")["metadata"], "an exception keeps it"
    desk.pod("late")
    assert "spent " in desk.held("late")
    shown = desk.until(f"{API}/budgets?fieldSelector=metadata.name=vision-week",
                       lambda _, b: b.get("status", {}).get("phase") == "Hard")
    assert "new work waits, and what runs is stopped" in shown["status"]["message"], shown
    events = desk.call("GET", "/clusters/vision/api/v1/namespaces/default/events")["items"]
    assert any(e["reason"] == "BudgetHard" and e["involvedObject"]["kind"] == "Budget" for e in events), events


def main():
    with Factory(BUILD, "--gpus", "none", "--hollow", "1x8xH100-80GB") as factory:
        desk = Purse(factory)
        for tenant in ("vision", "speech"):
            factory.run("tenant", "create", tenant)
        # A GPU costs 1.00 a second.
        desk.call("PATCH", f"{API}/pricelists/default", {"spec": {"gpuHour": {"default": "3600", "H100-80GB": "3600"}}}, content=MERGE)
        return run_tests([work_beyond_it_is_held_before_any_gpu, an_exception_lets_its_target_go, more_money_lets_work_go,
                          what_was_counted_outlives_a_crash, who_is_told, what_means_nothing_is_refused, stop_stops_what_runs],
                         lambda: (desk,))


if __name__ == "__main__":
    sys.exit(main())
