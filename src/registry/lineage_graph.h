// Nodes and edges as rows tell of them, and of those the part that an answer shows: what is asked for, what it came from, and
// what came of it. Pure; one thread at a time.
//
// Rows may be read in any order and twice; a later row does not take back what an earlier one said. Edges lead from what was
// used to what was made.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "api/json.h"
#include "store/shard.h"

namespace ingot::registry {

class LineageGraph {
 public:
  // Of the streams `lineage`, `ledger` and `verdicts`; false: it is none of those that are known.
  bool read(const store::StoredRow&);

  bool has(std::string_view node) const { return nodes_.contains(node); }
  const std::set<std::string, std::less<>>& into(std::string_view node) const;
  const std::set<std::string, std::less<>>& from(std::string_view node) const;
  // Once its rows have been read: by which other name its neighbours are found; "" is none.
  std::string up_name(std::string_view node) const;    // the run that data came from
  std::string down_name(std::string_view node) const;  // data that came from a run
  // Joins what is known of each other by name only.
  void join();
  const std::set<std::string, std::less<>>& pods_of(std::string_view run) const;  // uids

  // What an answer says of a node, for who knows what is there now.
  const api::Json& node(std::string_view node) const { return nodes_.find(node)->second; }
  void tell(std::string_view node, std::string_view field, api::Json value);
  // Of these nodes, as {nodes: […], edges: […]}.
  api::JsonObject part(const std::set<std::string, std::less<>>& kept) const;

 private:
  using Names = std::set<std::string, std::less<>>;
  struct Pod {
    std::string run;
    api::JsonObject facts;
    api::JsonArray gpus;
    std::set<uint64_t> booked;  // rows of the ledger
    int64_t cost_micro = 0;
  };
  struct Called {
    uint64_t row;
    std::string node;
    auto operator<=>(const Called&) const = default;
  };

  api::JsonObject& at(const std::string& node);
  void link(const std::string& from, const std::string& to);
  void read_version(const store::StoredRow&, const api::Json&);
  void read_made(const std::string& version, const api::Json& made, std::string_view run_id);
  void read_build(const std::string& version, const api::Json& build);
  void read_alias(const store::StoredRow&, const api::Json&);
  void read_run(const store::StoredRow&, const api::Json&);
  void read_data(const store::StoredRow&, const api::Json&);
  void read_ledger(const store::StoredRow&, const api::Json&);
  void read_verdict(const store::StoredRow&, const api::Json&);
  void read_pod(const std::string& run, const api::Json& facts);
  void source(const std::string& run, const api::Json& of);
  void list(const std::string& node, std::string_view field, api::Json value);

  std::map<std::string, api::Json, std::less<>> nodes_;  // objects
  std::map<std::string, Names, std::less<>> into_, from_;
  std::set<std::pair<std::string, std::string>> said_;   // edges that only whoever added the data tells of
  std::map<std::string, Pod, std::less<>> pods_;         // by uid
  std::map<std::string, Names, std::less<>> runs_pods_;  // their uids
  std::map<std::string, std::string, std::less<>> versions_;      // nodes by uid
  std::map<std::string, std::set<Called>, std::less<>> called_;   // runs, by namespace/name
  std::map<std::string, std::set<Called>, std::less<>> sourced_;  // data, by the namespace/name of its run
};

}  // namespace ingot::registry
