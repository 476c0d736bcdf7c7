// A run of a workflow: what was begun, how it stands, what comes next. A state machine: told what happened, it says what is
// to be done. Knows no store, no clock, no pods but by name.
//
// Thread rule: its owner's. Invariants: everything it knows follows from the Flow, the facts and the stored nodes, so a run
// that is read again goes on where it was; nothing is begun twice (a node's name says what it is); what is told twice
// changes nothing.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <unordered_map>

#include "expr/template.h"
#include "workflow/flow.h"
#include "workflow/locks.h"
#include "workflow/memo.h"
#include "workflow/node.h"

namespace ingot::workflow {

// Of the Workflow itself.
struct Facts {
  std::string name, ns, uid, service_account;
  JsonObject labels, annotations;
  WallTime created{};
  int64_t priority = 0;
  std::string scheduled;  // of a CronWorkflow's
};
// The value of a ConfigMap beside the Workflow; none: there is none.
using Config = std::function<std::optional<std::string>(std::string_view config_map, std::string_view key)>;

// What filling in one text of a tenant may take, in steps of expr/evaluator.h: a few milliseconds, for it runs in a turn.
inline constexpr int64_t kFillSteps = 200'000;

enum class Shutdown : uint8_t { No, Stop, Terminate };  // Stop: exit handlers run

// What became of a node's pod.
struct PodReport {
  Phase phase = Phase::Pending;
  std::string message, host, ip;
  Values outputs;  // {result, exitCode, parameters, artifacts}
  bool ready = false;
  // Of a containerSet.
  struct Container {
    std::string name;
    Phase phase = Phase::Pending;
    std::string message;
    std::optional<WallTime> started, finished;
  };
  std::vector<Container> containers;
};

struct Wanted {
  struct Pod {
    NodeIndex node;
    Json filled;  // the template with its inputs filled in
    Json shared;  // Flow::pod_fields(), filled in; null where there is nothing to fill
  };
  std::vector<NodeIndex> changed;  // nodes to be stored, each once
  std::vector<Pod> pods;           // to be made
  std::vector<Pod> resources;      // what resource templates are to do
  std::vector<NodeIndex> stop;     // whose pods must go
  std::vector<Memo> memos;         // to be kept, or to be marked as used
  bool anything() const {
    return !changed.empty() || !pods.empty() || !stop.empty() || !memos.empty() || !resources.empty();
  }
};

// Whether a pod runs it; the rest of what is shown as one does without.
inline bool has_pod(const Node& n) { return works(n.type) && (!n.runs || runs_pod(n.runs->kind)); }

class Run {
 public:
  Run(FlowPtr, Facts);

  // Who reads ConfigMaps, while whatever is called below asks; to be set anew for each turn.
  void read_config(Config config) { config_ = std::move(config); }
  void read_memory(Recall recall) { recall_ = std::move(recall); }
  // The locks that it shares with others, which outlive it. Before anything else; none: it needs none.
  void share(Locks* locks) { locks_ = locks; }
  // What `status.synchronization` says the run itself holds. Before restore().
  void restore_locks(const Json& status);
  // The parameters of the workflow; an error says which has no value. Before anything else.
  Or<void> arguments(const Json& given);
  // What `spec.workflowMetadata` makes of the Workflow's labels and annotations; an error says what of it is wrong.
  Or<void> mark();
  void restore(std::vector<StoredNode>, WallTime now);

  // How many nodes may be begun from now on: the rest waits until it is allowed (`more`), so that a loop of ten thousand
  // holds nobody up.
  void allow(size_t nodes) { allowed_ = nodes; }
  size_t allowed() const { return allowed_; }
  bool more() const { return more_ && !over_; }
  // Begins, or goes on after restore(); then whatever time has brought.
  void go_on(WallTime now);
  void pod(NodeIndex, const PodReport&, WallTime now);
  void pod_gone(NodeIndex, WallTime now);
  void not_memorized(NodeIndex, std::string why);
  void set_suspended(bool, WallTime now);
  void shut_down(Shutdown, WallTime now);

  Wanted take();  // what is to be done since the last call
  const Wanted& wanted() const { return wanted_; }
  std::optional<WallTime> wake_at() const;

  bool over() const { return over_; }
  // Running until everything is over, exit handlers too.
  Phase phase() const { return over_ || phase_ == Phase::Pending ? phase_ : Phase::Running; }
  std::string message() const { return over_ || waits_ ? message_ : ""; }
  WallTime started() const { return nodes_.empty() ? WallTime{} : nodes_.front().started; }
  WallTime finished() const { return finished_; }
  const std::deque<Node>& nodes() const { return nodes_; }
  NodeIndex find(std::string_view name) const;
  NodeIndex by_id(std::string_view id) const;
  int64_t pods_done() const { return pods_done_; }
  int64_t pods_known() const { return pods_known_; }
  const JsonObject& global_outputs() const { return global_outputs_; }
  const Facts& facts() const { return facts_; }
  const Flow& flow() const { return *flow_; }
  // What it holds and waits for, where that changed since the last call.
  std::optional<Json> synchronization();

 private:
  struct Expanding {
    uint32_t task = 0;
    NodeIndex group = kNobody;
    Json body;
    JsonArray items;
    size_t next = 0;
  };
  // Steps or a dag that runs.
  struct Scope {
    bool leaves_out(uint32_t task) const { return !left_out.empty() && left_out[task]; }
    const Template* runs = nullptr;
    JsonObject variables;
    std::vector<NodeIndex> node_of;                    // by task
    std::map<uint32_t, std::vector<NodeIndex>> items;  // of a task that expands
    std::vector<uint32_t> open;                        // of a dag: needs that are not settled, by task
    std::vector<uint32_t> targets;                     // of a dag: what decides how it ends …
    std::vector<bool> left_out;                        // … and by task what none of them needs; empty: none
    std::deque<uint32_t> ready;  // of a dag: none open, not begun; of steps: of this group
    size_t group = 0;
    NodeIndex group_node = kNobody;
    std::deque<Expanding> expanding;
    int64_t active = 0;
    size_t settled = 0, to_settle = 0;
    bool held = false;             // of steps: the group waits for all of it to begin
    std::vector<NodeIndex> nodes;  // whose boundary it is
  };
  enum class As : uint8_t { Task, Root, Hook };  // the latter two whatever room there is
  struct Started {
    NodeIndex node = kNobody;
    bool no_room = false;
  };

  JsonObject globals(WallTime now) const;
  // Work that waits: settled nodes, and scopes that may begin something.
  void work(WallTime now);
  void ration(WallTime now);
  void settle(NodeIndex);
  void notify(NodeIndex, WallTime now);
  void pump(NodeIndex scope, WallTime now);
  bool pump_expanding(NodeIndex scope, Scope&, WallTime now);
  void touch(NodeIndex);

  NodeIndex add(std::string name, std::string display, NodeType, NodeIndex boundary, NodeIndex parent,
                int32_t task, const Template*, WallTime now);
  void end(NodeIndex, Phase, std::string message, WallTime now);
  void ended(NodeIndex, WallTime now);
  // Hooks, as far as they are due: of a step or task, of the run.
  void call_hooks(NodeIndex, WallTime now);
  void call_own_hooks(WallTime now);
  const Task* hooked_task(const Node&) const;
  Or<bool> holds(const Hook&, const JsonObject& variables, WallTime now) const;
  void begin_hook(NodeIndex of, const std::string& suffix, const Hook&, JsonObject variables, WallTime now);
  Scope& scope_of(NodeIndex node) { return *scopes_.at(node); }
  bool room_for(NodeIndex boundary, const Template&) const;
  bool enough();  // has been begun for now

  // A task of steps or a dag.
  Or<Json> filled_task(NodeIndex scope, const Task&, WallTime now) const;
  Started begin_task(NodeIndex scope, uint32_t task, WallTime now);
  Started begin_item(NodeIndex scope, Expanding&, size_t item, WallTime now);
  Started begin_filled(NodeIndex scope, uint32_t task, const std::string& name, const std::string& display,
                       NodeIndex parent, const Json& body, WallTime now);
  void refuse(NodeIndex scope, uint32_t task, const std::string& name, const std::string& display,
              NodeIndex parent, Phase, std::string why, WallTime now);
  NodeIndex parent_of_tasks(NodeIndex scope) const;
  void place(NodeIndex scope, uint32_t task, NodeIndex node, NodeIndex parent);
  JsonObject variables_for(NodeIndex scope, const Task&) const;
  std::vector<NodeIndex> outbound(NodeIndex) const;

  // A template, with its inputs.
  Started begin(const Template&, Json inputs, std::string name, std::string display, NodeIndex boundary,
                NodeIndex parent, int32_t task, WallTime now, As = As::Task);
  Or<Json> inputs_of(const Template&, const Json& arguments, WallTime now) const;
  Or<Json> inputs_of(const Hook&, JsonObject variables, WallTime now) const;
  NodeIndex attempt(NodeIndex retry, WallTime now);
  // What it does once nothing holds it back: its locks, and what its template remembers.
  void start(NodeIndex, WallTime now);
  void open_node(NodeIndex, WallTime now);
  void open_pod(NodeIndex, WallTime now);
  Or<Json> filled_template(const Node&, const expr::Variables&, WallTime now) const;
  expr::Variables own_variables(const Node&, WallTime now) const;
  // What a template is called by: "steps.name", "tasks.name".
  void add_called(JsonObject& out, const Node&) const;
  Or<std::vector<uint32_t>> targets_of(const Node& dag, WallTime now) const;
  Or<void> choose_tasks(const Node& dag, Scope&, WallTime now) const;
  PodReport judged(const Node&, const PodReport&, WallTime now) const;
  void open_scope(NodeIndex, bool again, WallTime now);
  void begin_group(NodeIndex steps, WallTime now);
  void retried(NodeIndex retry, NodeIndex child, WallTime now);
  void group_done(NodeIndex, WallTime now);
  void steps_group_done(NodeIndex steps, WallTime now);
  void task_settled(NodeIndex dag, NodeIndex node, WallTime now);
  void dag_done(NodeIndex dag, WallTime now);
  void close_scope(NodeIndex, Phase, std::string message, WallTime now);
  Or<Values> outputs_of(NodeIndex scope, WallTime now) const;
  Or<Json> resolve_artifact(NodeIndex scope, const Json& argument, WallTime now) const;
  void publish(const Node&);
  Phase branch_phase(const Scope&, uint32_t task, std::vector<int8_t>& known) const;
  bool task_is(const Scope&, uint32_t task, TaskResult) const;
  void kill_daemons(NodeIndex scope, WallTime now);
  void finish(Phase, std::string message, WallTime now);
  void begin_exit(WallTime now);
  void add_containers(NodeIndex pod, WallTime now);
  void tell_containers(NodeIndex pod, const PodReport&, WallTime now);
  void end_containers(NodeIndex pod, WallTime now);
  bool remembered(NodeIndex, WallTime now);
  void memorize(NodeIndex);
  // Locks: of the run itself, and of a node; whether it holds them.
  bool admitted(WallTime now);
  bool take_locks(NodeIndex, bool known, WallTime now);
  Claim claim_of(NodeIndex) const;
  std::string holder() const { return facts_.ns + "/" + facts_.name; }
  void locks_given(WallTime now);
  void open_locked(NodeIndex, bool known, WallTime now);
  void release(Node&);
  // Nobody else ends it: what waits for a lock has nothing below it.
  bool ends_at_once(NodeIndex) const;
  bool reopen_locked(NodeIndex, WallTime now);
  // Of a stored node: who it is of; whether that, or who that is of, waits for locks.
  NodeIndex above(NodeIndex) const;
  bool held_above(NodeIndex) const;
  bool is_below(NodeIndex, NodeIndex top) const;
  void reopen_all(NodeIndex top, size_t count, WallTime now);
  void read_again(std::vector<StoredNode>, WallTime now);
  void link(const std::vector<StoredNode>&);
  int32_t task_of(const Node&) const;
  void note_below();
  void reopen(NodeIndex, WallTime now);
  void reopen_steps(NodeIndex, Scope&, WallTime now);
  void reopen_dag(NodeIndex, Scope&, WallTime now);
  void reopen_items(NodeIndex scope, Scope&, uint32_t task, NodeIndex group, WallTime now);
  void at(WallTime when, NodeIndex);
  void arm(NodeIndex, WallTime now);
  static std::optional<Duration> length(const std::string&);
  static Or<Duration> backoff(const Json& strategy, int64_t attempts);
  void due(NodeIndex, WallTime now);
  void answered_by_time(NodeIndex, WallTime now);
  void deadline(WallTime now);
  JsonObject retry_variables(const Node&) const;
  expr::Variables judging_variables(const Node& retry, const Node& last, WallTime now) const;

  FlowPtr flow_;
  Facts facts_;
  Config config_;
  Recall recall_;
  JsonObject arguments_;  // "workflow.parameters.x"
  JsonArray parameters_;
  std::deque<Node> nodes_;
  std::unordered_map<std::string_view, NodeIndex> by_name_, by_id_;
  std::map<NodeIndex, std::unique_ptr<Scope>> scopes_;
  std::deque<NodeIndex> settled_;
  std::set<NodeIndex> pumps_, starved_,
      rationed_;  // scopes: to look at; for whom there is no room; that may not yet
  std::unordered_map<NodeIndex, std::vector<NodeIndex>> below_;  // while nodes are opened again: by boundary
  std::multimap<WallTime, NodeIndex> timers_;
  std::set<NodeIndex> changed_;
  Wanted wanted_;
  JsonObject global_outputs_;
  Locks* locks_ = nullptr;
  std::map<NodeIndex, bool> waiting_;  // for locks; whether it was begun before
  std::vector<std::string> own_locks_;
  std::vector<StoredNode> kept_;  // until the run has its own locks
  bool waits_ = false, admitted_ = false, locks_changed_ = false;
  int64_t active_pods_ = 0, pods_done_ = 0, pods_known_ = 0;
  size_t allowed_ = SIZE_MAX;
  bool more_ = false;
  bool begun_ = false, over_ = false, suspended_ = false, exiting_ = false;
  Shutdown shutdown_ = Shutdown::No;
  Phase phase_ = Phase::Pending;  // how it ended, as soon as that is known
  std::string message_;
  WallTime finished_{};
};

}  // namespace ingot::workflow
