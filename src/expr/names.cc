#include "expr/names.h"

#include <algorithm>
#include <utility>

namespace ingot::expr {
namespace {

using Kind = Node::Kind;

// The steps from a variable; `sure`: so many of them are there if the expression is to mean anything.
struct Path {
  std::vector<std::string_view> steps;
  size_t sure = 0;
};

class Reader {
 public:
  Reader(const Ast& ast, Reading reading) : ast_(ast), reading_(reading), seen_(2 * ast.nodes.size()) {}

  std::vector<std::string> run() {
    read(ast_.root, false);
    return std::move(names_);
  }

 private:
  // Empty where it is no path from a variable by known names.
  Path path(NodeId id) const {
    const Node& node = ast_.nodes[id];
    if (node.kind == Kind::Chain) return path(node.children[0]);
    if (node.kind == Kind::Name && !includes(locals_, node.name)) return {{node.name}, 1};
    if (node.kind != Kind::Member || node.children.size() != 1) return {};
    Path out = path(node.children[0]);
    if (out.steps.empty()) return out;
    if (node.optional)
      out.sure = std::min(out.sure, std::max<size_t>(out.steps.size() - 1, 1));
    else if (out.sure == out.steps.size())
      ++out.sure;
    out.steps.push_back(node.name);
    return out;
  }

  // `guarded`: on the left of ??, where members may be missing.
  void read(NodeId id, bool guarded) {
    // A node may have several parents: of `a < b < c` the b.
    if (std::exchange(seen_[2 * id + guarded], true)) return;
    const Node& node = ast_.nodes[id];
    if (const Path found = path(id); !found.steps.empty()) return add(found, guarded);
    const bool scoped = node.kind == Kind::Let;
    for (size_t i = 0; i < node.children.size(); ++i) {
      if (scoped && i == 1) locals_.push_back(node.name);
      read(node.children[i], guarded || (i == 0 && node.kind == Kind::Binary && node.name == "??"));
    }
    if (scoped) locals_.pop_back();
  }

  void add(const Path& path, bool guarded) {
    const size_t count = reading_ == Reading::All ? path.steps.size() : guarded ? 1 : path.sure;
    std::string name;
    for (size_t i = 0; i < count; ++i) (name += i == 0 ? "" : ".") += path.steps[i];
    if (name != "$env" && !includes(names_, name)) names_.push_back(std::move(name));
  }

  const Ast& ast_;
  const Reading reading_;
  std::vector<char> seen_;
  std::vector<std::string> locals_;
  std::vector<std::string> names_;
};

}  // namespace

std::vector<std::string> names_of(const Ast& ast, Reading reading) { return Reader(ast, reading).run(); }

}  // namespace ingot::expr
