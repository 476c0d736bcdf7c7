#include "sim/user.h"

#include <algorithm>
#include <array>

#include "base/time.h"

namespace ingot::sim {
using namespace std::chrono_literals;
namespace {

constexpr const char* kMergePatch = "application/merge-patch+json";

// Every object a user makes says whose it is: a reply that holds another tenant's mark is a leak.
std::string mark(const std::string& tenant) { return "property-of-" + tenant; }

std::string config_map(const std::string& name, const std::string& tenant, const std::string& value) {
  return R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")" + name + R"(","labels":{"owner":")" +
         mark(tenant) + R"("}},"data":{"value":")" + value + R"("}})";
}

// A pod whose hollow container runs for a while and ends with a code.
std::string pod_template(const std::string& tenant, int gpus, uint64_t run_s, int exit_code,
                         const std::string& extra_labels, const std::string& extra_annotations,
                         const std::string& restart, const std::string& extra_spec = "") {
  std::string limits = gpus ? R"(,"limits":{"nvidia.com/gpu":")" + std::to_string(gpus) + R"("})" : "";
  return R"("labels":{"owner":")" + mark(tenant) + "\"" + extra_labels +
         R"(},"annotations":{"ingot.dev/hollow":"{\"runSeconds\":)" + std::to_string(run_s) +
         R"(,\"exitCode\":)" + std::to_string(exit_code) + R"(}")" + extra_annotations +
         R"(}},"spec":{"restartPolicy":")" + restart + "\"" + extra_spec +
         R"(,"terminationGracePeriodSeconds":2,"containers":[{"name":"main","image":"hollow","resources":{"requests":{"cpu":"100m","memory":"64Mi"})" +
         limits + "}}]}";
}

}  // namespace

User::User(World& world, Network& network, Disk& disk, FaultPlan& faults, Diary& diary, TenantHome home,
           std::vector<TenantHome> others, std::string name)
    : world_(world),
      network_(network),
      diary_(diary),
      home_(std::move(home)),
      others_(std::move(others)),
      name_(std::move(name)),
      ports_(world, disk, faults, name_) {}

apiserver::Request User::request(std::string method, std::string path, std::string body,
                                 std::string type) const {
  apiserver::Request r;
  r.method = std::move(method);
  r.target = std::move(path);
  r.body = std::move(body);
  r.content_type = std::move(type);
  r.accept = "application/json";
  r.user_agent = "sim-user";
  r.identity = apiserver::Identity{.name = name_,
                                   .groups = {"ingot:tenant-admins", "system:authenticated"},
                                   .uid = {},
                                   .home = ClusterId{home_.cluster}};
  return r;
}

void User::send(std::string method, std::string path, std::string body, Then then, std::function<void()> lost,
                std::string type) {
  ++diary_.operations;
  ++under_way_;
  const std::string what = name_ + " " + method + " " + path;
  network_.call(ports_.process(),
                request(std::move(method), std::move(path), std::move(body), std::move(type)),
                [this, what, then = std::move(then), lost = std::move(lost)](Result<node::Answer> answer) {
                  --under_way_;
                  if (!answer) {
                    ++diary_.unanswered;
                    world_.trace(what + " unanswered");
                    if (lost) lost();
                  } else {
                    ++(answer->code < 300 ? diary_.acknowledged : diary_.refused);
                    world_.trace(what + " " + std::to_string(answer->code));
                    check_own(*answer, what);
                    // A 5xx may have been carried out: nobody knows.
                    if (answer->code >= 500 && lost)
                      lost();
                    else
                      then(*answer);
                  }
                  if (under_way_ == 0 && !stopped_) next();
                });
}

void User::check_own(const node::Answer& answer, const std::string& what) {
  for (const TenantHome& other : others_)
    if (answer.body.find(mark(other.name)) != std::string::npos)
      diary_.violate("read across tenants: " + what + " shows what belongs to " + other.name);
}

void User::start() { next(); }

void User::next() {
  world_.at(world_.now() + world_.random().between(20ms, 400ms), ports_.process(), [this] {
    if (!stopped_ && under_way_ == 0) act();
  });
}

void User::act() {
  const uint64_t dice = world_.random().below(100);
  if (dice < 4) return workflow_create();
  if (dice < 5) return workflow_end();
  if (dice < 25) return increments();
  if (dice < 38) return note_create();
  if (dice < 44) return note_delete();
  if (dice < 54) return job_create();
  if (dice < 58) return gang_create();
  if (dice < 66) return pod_create();
  if (dice < 70) return claim_create();
  if (dice < 76) return pod_delete(false);
  if (dice < 80) return pod_delete(true);
  if (dice < 87) return cheat();
  if (dice < 92) return trespass();
  look_around();
}

// Two at once, so that they meet: each reads, adds one, writes with the revision it read. One must be refused.
void User::increments() {
  increment();
  increment();
}

void User::increment() {
  const std::string path = home("/api/v1/namespaces/default/configmaps/counter");
  send("GET", path, "", [this, path](const node::Answer& got) {
    if (got.code == 404) {
      send("POST", home("/api/v1/namespaces/default/configmaps"), config_map("counter", home_.name, "0"),
           [](const node::Answer&) {});
      return;
    }
    if (got.code != 200) return;
    auto object = api::parse_json(got.body);
    if (!object) return diary_.violate("a ConfigMap that is not JSON");
    if (api::string_at(*object, {"metadata", "labels", "owner"}) != mark(home_.name))
      return diary_.violate("read across tenants: " + name_ + " asked for its counter and was shown " +
                            got.body);
    const uint64_t value = std::stoull("0" + std::string(api::string_at(*object, {"data", "value"})));
    api::set(*object, {"data", "value"}, std::to_string(value + 1));
    send(
        "PUT", path, api::to_text(*object),
        [this](const node::Answer& put) {
          if (put.code != 200) return;
          ++diary_.counters_acked[home_.name];
          ++diary_.counters_tried[home_.name];
        },
        [this] { ++diary_.counters_tried[home_.name]; });
  });
}

void User::note_create() {
  const std::string name = "note-" + name_ + "-" + std::to_string(++serial_);
  send("POST", home("/api/v1/namespaces/default/configmaps"), config_map(name, home_.name, name),
       [this, name](const node::Answer& made) {
         if (made.code == 201) notes_[name] = true;
       });
}

void User::note_delete() {
  if (notes_.empty()) return note_create();
  const std::string name = std::next(notes_.begin(), int64_t(world_.random().below(notes_.size())))->first;
  notes_[name] = false;
  send(
      "DELETE", home("/api/v1/namespaces/default/configmaps/" + name), "",
      [this, name](const node::Answer& gone) {
        if (gone.code == 200) notes_.erase(name);
        if (gone.code == 404 && !notes_unsure_.contains(name))
          diary_.violate("acknowledged and lost: ConfigMap " + name + " was not there to delete");
      },
      [this, name] { notes_unsure_.insert(name); });
}

// As many as could run: what can never fit would wait for ever.
int User::gpus(int most) { return int(world_.random().below(uint64_t(std::min(most, home_.gpu_limit)) + 1)); }

User::Wish User::wish() {
  Random& r = world_.random();
  Wish out{.most_gpus = home_.gpu_limit};
  if (!home_.queue.empty() && r.chance(0.25)) {
    out.labels = R"(,"kueue.x-k8s.io/queue-name":")" + home_.queue + "\"";
    out.most_gpus = 2;
  } else if (r.chance(0.1)) {
    out.labels = R"(,"kueue.x-k8s.io/queue-name":")" + home_.name + "\"";  // its own
  }
  if (r.chance(0.2)) out.spec = R"(,"priorityClassName":"urgent")";
  if (!home_.pool.empty() && r.chance(0.3)) {
    out.spec += R"(,"nodeSelector":{"factory.ingot.dev/pool":")" + home_.pool + "\"}";
    out.most_gpus = std::min(out.most_gpus, 4);
  }
  return out;
}

void User::post_pod(const std::string& name, const std::string& body) {
  send("POST", home("/api/v1/namespaces/default/pods"),
       R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")" + name + "\"," + body + "}",
       [](const node::Answer&) {});
}

void User::job_create() {
  Random& r = world_.random();
  const std::string name = "job-" + name_ + "-" + std::to_string(++serial_);
  const Wish asks = wish();
  const int each = gpus(std::min(2, asks.most_gpus));
  const uint64_t pods = std::min<uint64_t>(1 + r.below(3), each ? uint64_t(asks.most_gpus / each) : 3);
  const bool gang = r.chance(0.3);
  const std::string together = gang ? R"(,"annotations":{"factory.ingot.dev/gang":"true"})" : "";
  const std::string body = R"({"apiVersion":"batch/v1","kind":"Job","metadata":{"name":")" + name + "\"" +
                           together + R"(},"spec":{"backoffLimit":2,"parallelism":)" + std::to_string(pods) +
                           R"(,"completions":)" + std::to_string(pods) + R"(,"template":{"metadata":{)" +
                           pod_template(home_.name, each, 1 + r.below(20), r.chance(0.2) ? 1 : 0, asks.labels,
                                        "", "Never", asks.spec) +
                           "}}}";
  send("POST", home("/apis/batch/v1/namespaces/default/jobs"), body, [](const node::Answer&) {});
}

void User::gang_member(const std::string& gang, uint64_t index, int gpus, uint64_t run_s, const Wish& asks,
                       const std::string& annotations) {
  post_pod(gang + "-" + std::to_string(index),
           pod_template(home_.name, gpus, run_s, 0,
                        R"(,"scheduling.x-k8s.io/pod-group":")" + gang + "\"" + asks.labels, annotations,
                        "Never", asks.spec));
}

// Three ways to say how many must run: the pods do, rigid or elastic, or a PodGroup does.
void User::gang_create() {
  Random& r = world_.random();
  const std::string gang = "gang-" + name_ + "-" + std::to_string(++serial_);
  const Wish asks = wish();
  const int each = 1 + int(r.below(2));
  const uint64_t size =
      std::max<uint64_t>(2, std::min<uint64_t>(2 + r.below(3), uint64_t(asks.most_gpus / each)));
  if (int(size) * each > asks.most_gpus) return pod_create();  // it could never run
  const uint64_t run_s = 2 + r.below(10);
  const std::string n = std::to_string(size);
  std::string annotations = R"(,"factory.ingot.dev/gang-size":")" + n + "\"";
  if (r.chance(0.3)) annotations += R"(,"factory.ingot.dev/gang-min":"1")";
  const auto members = [this, gang, each, size, run_s, asks](const std::string& say) {
    for (uint64_t i = 0; i < size; ++i) gang_member(gang, i, each, run_s, asks, say);
  };
  if (!r.chance(0.3)) return members(annotations);
  send("POST", home("/apis/scheduling.x-k8s.io/v1alpha1/namespaces/default/podgroups"),
       R"({"metadata":{"name":")" + gang + R"("},"spec":{"minMember":)" + n + "}}",
       [members](const node::Answer& made) {
         if (made.code == 201) members("");
       });
}

void User::pod_create() {
  Random& r = world_.random();
  // Of an image that a gate of the factory holds, in one tenant; of those, some an exception lets go.
  const bool loose = r.chance(0.15);
  const std::string name = (loose && r.chance(0.4) ? std::string(kExceptedPods) : "pod-") + name_ + "-" +
                           std::to_string(++serial_);
  const bool again = r.chance(0.3);
  const Wish asks = wish();
  const int n = gpus(std::min(4, asks.most_gpus));
  std::string pod = pod_template(home_.name, n, 1 + r.below(30), !again && r.chance(0.1) ? 1 : 0, asks.labels,
                                 "", again ? "OnFailure" : "Never", asks.spec);
  constexpr std::string_view kImage = R"("image":")";
  if (loose) pod.insert(pod.find(kImage) + kImage.size(), kLooseImages);
  send("POST", home("/api/v1/namespaces/default/pods"),
       R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")" + name + "\"," + pod + "}",
       [this, name](const node::Answer& made) {
         if (made.code == 201) pods_.push_back(name);
       });
}

// A pod whose GPU comes by a claim of a template; without the template it would rightly wait for ever.
void User::claim_create() {
  if (home_.gpu_limit == 0) return pod_create();
  if (world_.random().chance(0.35)) return share_claim();
  send("POST", home("/apis/resource.k8s.io/v1/namespaces/default/resourceclaimtemplates"),
       R"({"metadata":{"name":"gpu"},"spec":{"spec":{"devices":{"requests":[{"name":"gpu","exactly":{
          "deviceClassName":"gpu.nvidia.com","selectors":[{"cel":{"expression":
          "device.attributes['gpu.nvidia.com'].simulated && device.driver == 'gpu.nvidia.com'"}}]}}]}}}})",
       [this](const node::Answer& made) {
         if (made.code == 201 || made.code == 409) return claiming_pod();
         if (made.code < 500) diary_.violate("a ResourceClaimTemplate was refused: " + made.body);
       });
}

void User::claiming_pod() {
  const std::string name = "claim-" + name_ + "-" + std::to_string(++serial_);
  std::string pod = pod_template(home_.name, 0, 1 + world_.random().below(20), 0, "", "", "Never");
  constexpr std::string_view kSpec = R"("spec":{)";
  pod.insert(pod.find(kSpec) + kSpec.size(),
             R"("resourceClaims":[{"name":"gpu","resourceClaimTemplateName":"gpu"}],)");
  send("POST", home("/api/v1/namespaces/default/pods"),
       R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")" + name + "\"," + pod + "}",
       [this, name](const node::Answer& made) {
         if (made.code == 201) pods_.push_back(name);
       });
}

// Pods that have one GPU together, by one claim.
void User::share_claim() {
  const std::string claim = "shared-" + name_ + "-" + std::to_string(++serial_);
  const auto pods = [this, claim] {
    Random& r = world_.random();
    for (uint64_t i = 2 + r.below(2); i > 0; --i) {
      std::string pod = pod_template(home_.name, 0, 1 + r.below(20), 0, "", "", "Never");
      const auto insert = [&](std::string_view after, std::string_view text) {
        pod.insert(pod.find(after) + after.size(), text);
      };
      insert(R"("spec":{)", R"("resourceClaims":[{"name":"gpu","resourceClaimName":")" + claim + R"("}],)");
      insert(R"("resources":{)", R"("claims":[{"name":"gpu"}],)");
      post_pod(claim + "-" + std::to_string(i), pod);
    }
  };
  send(
      "POST", home("/apis/resource.k8s.io/v1/namespaces/default/resourceclaims"),
      R"({"metadata":{"name":")" + claim +
          R"("},"spec":{"devices":{"requests":[{"name":"gpu","exactly":{"deviceClassName":"gpu.nvidia.com"}}]}}})",
      [this, pods](const node::Answer& made) {
        if (made.code == 201) return pods();
        if (made.code < 500) diary_.violate("a ResourceClaim was refused: " + made.body);
      });
}

void User::pod_delete(bool force) {
  if (pods_.empty()) return pod_create();
  const size_t at = world_.random().below(pods_.size());
  const std::string name = pods_[at];
  pods_.erase(pods_.begin() + int64_t(at));
  send("DELETE", home("/api/v1/namespaces/default/pods/" + name + (force ? "?gracePeriodSeconds=0" : "")), "",
       [](const node::Answer&) {});
}

// A queue or a pool of somebody else: such a pod waits for ever.
void User::intrude() {
  const TenantHome& other = others_[world_.random().below(others_.size())];
  std::string labels = R"(,"cheat":"true")", spec;
  if (home_.queue.empty() && !other.queue.empty())
    labels += R"(,"kueue.x-k8s.io/queue-name":")" + other.queue + "\"";
  else if (home_.pool.empty() && !other.pool.empty())
    spec = R"(,"nodeSelector":{"factory.ingot.dev/pool":")" + other.pool + "\"}";
  else
    return trespass();
  post_pod("cheat-" + name_ + "-" + std::to_string(++serial_),
           pod_template(home_.name, 1, 5, 0, labels, "", "Never", spec));
}

// What would free or take a GPU unpaid: none of it may work.
void User::cheat() {
  if (world_.random().chance(0.3) && !others_.empty()) return intrude();
  if (pods_.empty()) return pod_create();
  const std::string path =
      home("/api/v1/namespaces/default/pods/" + pods_[world_.random().below(pods_.size())]);
  switch (world_.random().below(3)) {
    case 0:
      return send(
          "PATCH", path + "/status", R"({"status":{"phase":"Succeeded"}})",
          [this, path](const node::Answer& a) {
            if (a.code == 200) diary_.violate("a tenant wrote the status of " + path);
          },
          {}, kMergePatch);
    case 1:  // answered either way; what counts is that no device moves, which the truth keeper watches
      return send(
          "PATCH", path, R"({"spec":{"nodeName":"node-0"}})", [](const node::Answer&) {}, {}, kMergePatch);
    default:
      return send(
          "POST", home("/apis/factory.ingot.dev/v1alpha1/allocations"),
          R"({"apiVersion":"factory.ingot.dev/v1alpha1","kind":"Allocation","metadata":{"name":"mine"}})",
          [this](const node::Answer& a) {
            if (a.code < 300) diary_.violate("a tenant made an Allocation");
          });
  }
}

void User::trespass() {
  if (others_.empty()) return;
  const TenantHome& other = others_[world_.random().below(others_.size())];
  static constexpr std::array kPaths{"/api/v1/namespaces/default/configmaps", "/api/v1/pods",
                                     "/api/v1/secrets"};
  send("GET", "/clusters/" + other.name + kPaths[world_.random().below(kPaths.size())], "",
       [this, other](const node::Answer& a) {
         if (a.code != 401 && a.code != 403 && a.code != 404)
           diary_.violate(name_ + " was answered " + std::to_string(a.code) + " at " + other.name);
       });
}

void User::look_around() {
  static constexpr std::array kPaths{"/api/v1/pods",        "/api/v1/namespaces/default/configmaps?limit=3",
                                     "/apis/batch/v1/jobs", "/api/v1/nodes",
                                     "/api/v1/namespaces",  "/api/v1/events"};
  send("GET", home(kPaths[world_.random().below(kPaths.size())]), "", [this](const node::Answer& a) {
    if (a.code != 200 && a.code < 500)
      diary_.violate(name_ + " could not list: " + std::to_string(a.code) + " " + a.body.substr(0, 200));
  });
}

void User::audit(std::function<void()> done) {
  auto left = std::make_shared<std::vector<std::pair<std::string, bool>>>(notes_.begin(), notes_.end());
  audit_notes(std::move(left), std::move(done));
}

void User::audit_notes(std::shared_ptr<std::vector<std::pair<std::string, bool>>> left,
                       std::function<void()> done) {
  if (left->empty()) return done();
  const auto [name, certain] = left->back();
  left->pop_back();
  send(
      "GET", home("/api/v1/namespaces/default/configmaps/" + name), "",
      [this, name, certain, left, done](const node::Answer& a) {
        if (certain && a.code != 200)
          diary_.violate("acknowledged and lost: ConfigMap " + name + " of " + home_.name + " answers " +
                         std::to_string(a.code));
        audit_notes(left, done);
      },
      [this, name, done] {
        diary_.violate("no answer for " + name + " although every fault has ended");
        done();
      });
}

}  // namespace ingot::sim
