#include "registry/lineage_walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "api/model_names.h"
#include "base/digest.h"
#include "registry/lineage_names.h"
#include "registry/run_rows.h"

namespace ingot::registry {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::string_at;

constexpr size_t kRowsOfName = 1'000, kNaming = 200, kMostRows = 20'000, kMostPods = 2'000;
constexpr int kRowsOfPod = 20;  // of the ledger: 16 GPUs, and CPU and memory
constexpr std::string_view kKinds =
    "model/NAME[@VERSION], data/MANIFEST, data/NAMESPACE/NAME-vN, commit/SHA, run/NAMESPACE/NAME, run/UID or "
    "image/DIGEST";

std::optional<int64_t> number_in(std::string_view text) {
  if (text.starts_with('v')) text.remove_prefix(1);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 1) return std::nullopt;
  return number;
}

bool hexadecimal(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::unexpected<Error> wrong(std::string_view of, std::string_view why) {
  return fail(Reason::BadRequest, fmt::format("of: \"{}\" {}: say {}", of.substr(0, 100), why, kKinds));
}

}  // namespace

Result<LineageWalk> LineageWalk::start(LineageQuery query) {
  query.depth = std::clamp<size_t>(query.depth, 1, Lineage::kDeepest);
  query.nodes = std::clamp<size_t>(query.nodes, 1, Lineage::kMostNodes);
  LineageWalk walk(std::move(query));
  const std::string_view of = walk.query_.of;
  if (of.size() > 600) return wrong(of, "is too long");
  walk.kind_ = kind_of(of);
  walk.name_ = name_of(of);
  const std::string& name = walk.name_;
  if (name.empty()) return wrong(of, "names nothing");
  const size_t slash = name.find('/');
  if (slash != name.npos &&
      (slash == 0 || slash + 1 == name.size() || name.find('/', slash + 1) != name.npos))
    return wrong(of, "has empty or too many parts");
  const std::string ns = slash == name.npos ? "" : name.substr(0, slash), rest = name.substr(slash + 1);
  if (walk.kind_ == "model") {
    const size_t at = name.rfind('@');
    walk.version_ = at == name.npos ? "" : name.substr(at + 1);
    if (at != name.npos) walk.name_.resize(at);
    if (slash != name.npos || walk.name_.empty()) return wrong(of, "names no model");
    if (const auto number = number_in(walk.version_)) walk.start_ = version_node(walk.name_, *number);
    if (walk.version_.empty()) walk.named_ = model_name(walk.name_);
  } else if (walk.kind_ == "data") {
    if (ns.empty() && !Digest::parse(name)) return wrong(of, "is no digest");
    if (ns.empty()) walk.start_ = data_node(name);
    if (!ns.empty()) walk.named_ = data_name(ns, rest);
  } else if (walk.kind_ == "commit") {
    if (name.size() < kShortCommit || name.size() > 64 || !hexadecimal(name))
      return wrong(of, "is no commit of 7 digits or more");
    walk.named_ = short_commit(name);
  } else if (walk.kind_ == "run") {
    if (ns.empty()) walk.start_ = run_node(name);
    if (!ns.empty()) walk.named_ = run_name(ns, rest);
  } else if (walk.kind_ == "image") {
    if (!Digest::parse(name)) return wrong(of, "is no digest");
    walk.start_ = image_node(name);
  } else {
    return wrong(of, "is of no such kind");
  }
  if (!walk.start_.empty()) walk.phase_ = Phase::Walking;
  if (auto begun = walk.begin(); !begun) return fail(begun.error());
  return walk;
}

std::optional<LineageWalk::Live> LineageWalk::live() const {
  if (!start_.empty() || kind_ == "commit" || (kind_ == "model" && version_.empty())) return std::nullopt;
  const size_t slash = name_.find('/');
  if (kind_ == "model") return Live{api::kModels, "", name_};
  return Live{kind_ == "data" ? kDatasetVersions : kWorkflows, name_.substr(0, slash),
              name_.substr(slash + 1)};
}

Result<void> LineageWalk::resolve(const Json& object) {
  if (kind_ == "model") {
    const auto number = api::int_at(object, {"spec", "aliases", version_});
    if (!number)
      return fail(Reason::NotFound,
                  fmt::format("model {} has no version or alias \"{}\"{}", name_, version_,
                              object.is_null() ? "; it is not there any more: say a version's number" : ""));
    start_ = version_node(name_, *number);
  } else if (kind_ == "data") {
    if (const auto manifest = Digest::parse(string_at(object, {"spec", "manifest"})))
      start_ = data_node(manifest->text());
  } else if (const std::string_view uid = string_at(object, {"metadata", "uid"}); !uid.empty()) {
    start_ = run_node(uid);
  }
  if (!start_.empty()) phase_ = Phase::Walking;
  return begin();
}

Result<void> LineageWalk::begin() {
  if (start_.empty() || phase_ != Phase::Walking) return {};
  front_.clear();
  up_ = down_ = kept_ = {start_};
  if (query_.way != LineageQuery::Way::Down) front_.push_back({start_, true});
  if (query_.way != LineageQuery::Way::Up) front_.push_back({start_, false});
  return {};
}

std::vector<std::string> LineageWalk::names_for(const Step& step) const {
  const std::string_view kind = kind_of(step.node), name = name_of(step.node);
  std::vector<std::string> names;
  // What made it is asked of data itself, for what its versions are called.
  if (kind == "data") {
    const size_t slash = name.find('/');
    names.push_back(slash == name.npos ? data_made(name)
                                       : data_name(name.substr(0, slash), name.substr(slash + 1)));
  }
  const bool leaf = kind == "data" || kind == "commit" || kind == "image";
  if (!leaf || !step.up) names.push_back(step.node);
  if (graph_.has(step.node))
    if (std::string more = step.up ? graph_.up_name(step.node) : graph_.down_name(step.node); !more.empty())
      names.push_back(std::move(more));
  return names;
}

void LineageWalk::want(const LineageIndex& index, const std::string& name, std::vector<WantedRows>& to) {
  if (!asked_.insert(name).second) return;
  const size_t most = phase_ == Phase::Naming ? kNaming : kRowsOfName;
  std::vector<uint64_t> rows = index.find(query_.cluster.value, name, most);
  if (rows.size() > most) {
    rows.pop_back();
    if (phase_ != Phase::Naming)
      cut_.insert(fmt::format("{} is in more than {} rows: the newest are told", name, most));
  }
  for (const uint64_t row : rows) {
    if (wanted_.size() >= kMostRows) {
      cut_.insert(fmt::format("more than {} rows tell of it", kMostRows));
      return;
    }
    const bool held = stream_of(name) == kLedgerRows;
    if (wanted_.insert(row).second || phase_ == Phase::Naming)
      to.push_back({stream_of(name), row, held ? kRowsOfPod : 1});
  }
}

std::vector<WantedRows> LineageWalk::next(const LineageIndex& index) {
  std::vector<WantedRows> wants;
  known_from_ = index.from();
  if (phase_ == Phase::Naming) {
    want(index, named_, wants);
    wanted_.clear();
  } else if (phase_ == Phase::Walking) {
    for (const Step& step : front_)
      for (const std::string& name : names_for(step)) want(index, name, wants);
  } else if (phase_ == Phase::Costs) {
    size_t pods = 0;
    for (const std::string& node : kept_) {
      const std::string_view kind = kind_of(node);
      if (kind == "run") want(index, judged_name(name_of(node)), wants);
      if (kind == "version" && graph_.has(node))
        want(index, judged_name(string_at(graph_.node(node), {"uid"})), wants);
      if (kind != "run") continue;
      for (const std::string& uid : graph_.pods_of(node)) {
        if (++pods > kMostPods) {
          cut_.insert(fmt::format("costs are of the first {} pods", kMostPods));
          break;
        }
        want(index, pod_name(uid), wants);
        want(index, judged_name(uid), wants);
      }
    }
  }
  std::ranges::sort(wants);
  return wants;
}

void LineageWalk::read(const std::vector<store::StoredRow>& rows) {
  for (const store::StoredRow& stored : rows) {
    if (phase_ != Phase::Naming) {
      graph_.read(stored);
    } else if (auto row = api::parse_json(stored.row.data)) {
      naming_.push_back(std::move(*row));
    }
  }
}

Result<bool> LineageWalk::go_on() {
  if (phase_ == Phase::Naming) {
    int64_t newest = 0;
    Names commits;
    for (const Json& row : naming_) {  // the newest last
      if (kind_ == "model") newest = std::max(newest, api::int_at(row, {"version"}).value_or(0));
      if (kind_ == "data")
        if (const std::string_view manifest = string_at(row, {"manifest"}); !manifest.empty())
          start_ = data_node(manifest);
      if (kind_ == "run" && !string_at(row, {"run", "uid"}).empty())
        start_ = run_node(string_at(row, {"run", "uid"}));
      if (kind_ != "commit") continue;
      for (const std::string& name : names_in(kLineageRows, row))
        if (kind_of(name) == "commit" && name_of(name).starts_with(name_)) commits.insert(name);
    }
    if (newest > 0) start_ = version_node(name_, newest);
    if (commits.size() > 1)
      return fail(Reason::BadRequest,
                  fmt::format("of: {} commits begin with {}: say more digits", commits.size(), name_));
    if (commits.size() == 1) start_ = *commits.begin();
    naming_.clear();
    if (start_.empty())
      return fail(
          Reason::NotFound,
          fmt::format("nothing is written down of {} {}: runs are when they have ended", kind_, name_));
    phase_ = Phase::Walking;
    if (auto begun = begin(); !begun) return fail(begun.error());
    return false;
  }
  if (phase_ == Phase::Walking) {
    graph_.join();
    if (!graph_.has(start_))
      return fail(Reason::NotFound,
                  fmt::format("nothing is written down of {} {}: runs are when they have ended", kind_,
                              name_of(start_)));
    if (spread()) return false;
    phase_ = Phase::Costs;
    return false;
  }
  phase_ = Phase::Over;
  return true;
}

// Goes on to neighbours; false when there are none.
bool LineageWalk::spread() {
  std::vector<Step> next;
  for (const Step& step : front_) {
    const auto names = names_for(step);
    if (std::ranges::any_of(names, [&](const std::string& name) { return !asked_.contains(name); }))
      next.push_back(step);  // what was read of it names more rows
  }
  if (!next.empty()) {
    // The others wait for it: neighbours are those of a whole level.
    return true;
  }
  for (const Step& step : front_)
    for (const std::string& near : step.up ? graph_.into(step.node) : graph_.from(step.node)) {
      if (visit(near, step.up, next)) continue;
      cut_.insert(fmt::format("more than {} nodes", query_.nodes));
    }
  if (!next.empty() && ++depth_ >= query_.depth) {
    cut_.insert(fmt::format("more than {} steps away", query_.depth));
    next.clear();
  }
  front_ = std::move(next);
  return !front_.empty();
}

bool LineageWalk::visit(const std::string& node, bool up, std::vector<Step>& next) {
  Names& seen = up ? up_ : down_;
  if (seen.contains(node)) return true;
  if (!kept_.contains(node) && kept_.size() >= query_.nodes) return false;
  seen.insert(node);
  kept_.insert(node);
  next.push_back({node, up});
  return true;
}

std::string LineageWalk::answer() const {
  JsonObject all = graph_.part(kept_);
  all["kind"] = "Lineage";
  all["apiVersion"] = "factory.ingot.dev/v1alpha1";
  all["of"] = start_;
  all["way"] = query_.way == LineageQuery::Way::Up     ? "up"
               : query_.way == LineageQuery::Way::Down ? "down"
                                                       : "both";
  JsonArray cut;
  for (const std::string& why : cut_) cut.emplace_back(why);
  if (known_from_ > 0) cut.emplace_back(fmt::format("rows before {} are not looked at", known_from_));
  if (!cut.empty()) all["cut"] = std::move(cut);
  return api::to_text(all);
}

}  // namespace ingot::registry
