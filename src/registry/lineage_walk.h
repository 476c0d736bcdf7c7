// One question about lineage on its way: which rows it wants next, and what those it got say. Pure; one thread at a time.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "registry/lineage.h"
#include "registry/lineage_graph.h"
#include "registry/lineage_index.h"

namespace ingot::registry {

// Rows of a stream from this one on.
struct WantedRows {
  std::string_view stream;
  uint64_t row;
  int limit;
  auto operator<=>(const WantedRows&) const = default;
};

class LineageWalk {
 public:
  // BadRequest: what is asked for is none of what there is.
  static Result<LineageWalk> start(LineageQuery);

  const LineageQuery& query() const { return query_; }
  // What must be looked up among what is there now before it begins: [resource, namespace, name]; empty: nothing.
  struct Live {
    std::string_view resource;
    std::string ns, name;
  };
  std::optional<Live> live() const;
  // The object, or null. NotFound: it names an alias that nobody knows.
  Result<void> resolve(const api::Json& object);

  // The rows it wants next; none when it has all.
  std::vector<WantedRows> next(const LineageIndex&);
  void read(const std::vector<store::StoredRow>&);
  // NotFound when rows say nothing of it; otherwise finished, or to be asked for next().
  Result<bool> go_on();

  const std::set<std::string, std::less<>>& kept() const { return kept_; }
  LineageGraph& graph() { return graph_; }
  std::string answer() const;

 private:
  using Names = std::set<std::string, std::less<>>;
  enum class Phase : uint8_t { Naming, Walking, Costs, Over };
  struct Step {
    std::string node;
    bool up;
  };
  explicit LineageWalk(LineageQuery query) : query_(std::move(query)) {}

  void want(const LineageIndex&, const std::string& name, std::vector<WantedRows>&);
  std::vector<std::string> names_for(const Step&) const;
  Result<void> begin();
  bool spread();
  bool visit(const std::string& node, bool up, std::vector<Step>& next);

  LineageQuery query_;
  std::string kind_, name_, version_;
  std::string start_;              // the node, once it is known
  std::string named_;              // by which rows it is found before
  std::vector<api::Json> naming_;  // those rows, the newest first
  Phase phase_ = Phase::Naming;
  LineageGraph graph_;
  std::vector<Step> front_;
  size_t depth_ = 0;
  Names up_, down_, kept_, asked_, cut_;
  std::set<uint64_t> wanted_;
  uint64_t known_from_ = 0;
};

}  // namespace ingot::registry
