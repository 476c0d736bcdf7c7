#include "gpu/description.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "gpu/mig.h"

namespace ingot::gpu {
namespace {

constexpr size_t kMaxText = 64 << 10, kMaxNodes = 16'384, kMaxBoards = 16, kMaxMemory = 64;
using Words = std::vector<std::string_view>;

// FNV-1a: names, not secrets; the stand-in library has no digest to call.
uint64_t fnv(std::string_view text, uint64_t hash) {
  for (char c : text) hash = (hash ^ uint8_t(c)) * 0x100000001b3ULL;
  return hash;
}

std::string derive_uuid(std::string_view seed, std::string_view node, size_t index) {
  const std::string text = std::string(seed) + "/" + std::string(node) + "/" + std::to_string(index);
  const uint64_t a = fnv(text, 0xcbf29ce484222325ULL), b = fnv(text, a ^ 0x9e3779b97f4a7c15ULL);
  char out[48];
  std::snprintf(out, sizeof out, "GPU-%08x-%04x-4%03x-a%03x-%012llx", unsigned(a >> 32),
                unsigned(a >> 16 & 0xffff), unsigned(a & 0xfff), unsigned(b >> 48 & 0xfff),
                static_cast<unsigned long long>(b & 0xffffffffffffULL));
  return out;
}

std::string default_pci(size_t index) {
  char out[32];
  std::snprintf(out, sizeof out, "00000000:%02x:00.0", unsigned(0x10 + index * 8));
  return out;
}

Words split(std::string_view line) {
  Words words;
  line = line.substr(0, line.find('#'));
  while (true) {
    const size_t start = line.find_first_not_of(" \t\r");
    if (start == line.npos) return words;
    line.remove_prefix(start);
    const size_t end = std::min(line.find_first_of(" \t\r"), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

template <class T>
bool number(std::string_view text, T& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

std::string known_models() {
  std::string list;
  for (const Model& model : models()) (list += list.empty() ? "" : ", ") += model.name;
  return list;
}

class Parser {
 public:
  explicit Parser(std::string_view seed) : seed_(seed) {}

  // Empty: fine. Otherwise what is wrong with the line.
  std::string line(const Words& w) {
    if (w[0] == "driver" && w.size() == 2) return out_.driver = w[1], "";
    if (w[0] == "cuda" && w.size() == 2) return out_.cuda = w[1], "";
    if (w[0] == "node") return node(w);
    if (w[0] == "board") return board(w);
    if (w[0] == "link") return link(w);
    if (w[0] == "fault") return fault(w);
    if (w[0] == "instance") return instance(w);
    if (w[0] == "memory") return memory(w);
    if (w[0] == "use") return use(w);
    if (w[0] == "held") return held(w);
    return "unknown statement '" + std::string(w[0]) +
           "'; known: driver, cuda, node, board, link, fault, instance, memory, use";
  }
  Description take() { return std::move(out_); }

 private:
  SimulatedNode& current() {
    if (out_.nodes.empty()) out_.nodes.emplace_back();
    return out_.nodes.back();
  }

  std::string node(const Words& w) {
    if (w.size() < 2) return "node needs a name";
    if (out_.nodes.size() >= kMaxNodes) return "more than 16384 nodes";
    for (const SimulatedNode& other : out_.nodes)
      if (other.name == w[1]) return "node " + std::string(w[1]) + " is described twice";
    for (char c : w[1])
      if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
        return "a node's name is made of a-z, 0-9 and '-'";
    SimulatedNode made;
    made.name = w[1];
    for (size_t i = 2; i < w.size(); ++i) {
      const bool ok = w[i].starts_with("cpu=") ? number(w[i].substr(4), made.cpu) && made.cpu > 0
                      : w[i].starts_with("memory_mib=")
                          ? number(w[i].substr(11), made.memory_mib) && made.memory_mib > 0
                          : false;
      if (!ok) return "node takes cpu=N and memory_mib=N, not '" + std::string(w[i]) + "'";
    }
    out_.nodes.push_back(std::move(made));
    return "";
  }

  std::string board(const Words& w) {
    if (w.size() < 2) return "board needs a model; known: " + known_models();
    SimulatedNode& node = current();
    if (node.boards.size() >= kMaxBoards) return "more than 16 boards on one node";
    const size_t index = node.boards.size();
    SimulatedBoard made;
    made.model = find_model(w[1]);
    if (!made.model) return "unknown model '" + std::string(w[1]) + "'; known: " + known_models();
    made.uuid = derive_uuid(seed_, node.name, index);
    made.pci_bus_id = default_pci(index);
    made.minor = int(index);
    made.numa_node = index < 4 ? 0 : 1;
    for (size_t i = 2; i < w.size(); ++i) {
      const std::string_view word = w[i];
      bool ok = true;
      if (word.starts_with("uuid=GPU-") && word.size() < 80)
        made.uuid = word.substr(5);
      else if (word.starts_with("pci=") && word.size() < 32)
        made.pci_bus_id = word.substr(4);
      else if (word.starts_with("numa="))
        ok = number(word.substr(5), made.numa_node);
      else if (word.starts_with("minor="))
        ok = number(word.substr(6), made.minor);
      else if (word == "mig=on" || word == "mig=off")
        made.mig_enabled = word == "mig=on";
      else
        ok = false;
      if (!ok)
        return "board takes uuid=GPU-…, pci=, numa=, minor=, mig=on|off, not '" + std::string(word) + "'";
    }
    if (made.mig_enabled && !made.model->mig) return std::string(w[1]) + " cannot be cut into MIG instances";
    for (const SimulatedNode& other : out_.nodes)
      for (const SimulatedBoard& taken : other.boards)
        if (taken.uuid == made.uuid) return "uuid " + made.uuid + " is used twice";
    node.boards.push_back(std::move(made));
    return "";
  }

  std::string link(const Words& w) {
    SimulatedNode& node = current();
    const int count = int(node.boards.size());
    if (w.size() == 2 && w[1] == "all") {
      node.nvswitch = true;
      for (int a = 0; a < count; ++a) {
        node.boards[size_t(a)].links.clear();
        for (int b = 0; b < count; ++b)
          if (a != b) node.boards[size_t(a)].links.push_back(b);
      }
      return "";
    }
    int a = -1, b = -1;
    if (w.size() != 3 || !number(w[1], a) || !number(w[2], b) || a == b || a < 0 || b < 0 || a >= count ||
        b >= count)
      return "link takes two indices of boards already described on this node, or 'all'";
    node.boards[size_t(a)].links.push_back(b);
    node.boards[size_t(b)].links.push_back(a);
    return "";
  }

  // The board whose index is the statement's first argument; nullptr: there is none.
  SimulatedBoard* named_board(const Words& w) {
    SimulatedNode& node = current();
    size_t index = 0;
    if (w.size() < 2 || !number(w[1], index) || index >= node.boards.size()) return nullptr;
    return &node.boards[index];
  }

  std::string fault(const Words& w) {
    static constexpr std::pair<std::string_view, bool SimulatedBoard::*> kFlags[] = {
        {"lost", &SimulatedBoard::lost},
        {"hang", &SimulatedBoard::hangs},
        {"mode", &SimulatedBoard::mode_fails},
        {"create", &SimulatedBoard::create_fails},
        {"clear", &SimulatedBoard::clear_fails}};
    SimulatedBoard* board = named_board(w);
    if (w.size() != 3 || !board)
      return "fault takes the index of a board already described on this node, then what is wrong with it";
    for (const auto& [name, flag] : kFlags)
      if (w[2] == name) return board->*flag = true, "";
    if (w[2].starts_with("ecc=") && number(w[2].substr(4), board->ecc_errors)) return "";
    if (w[2].starts_with("xid=") && number(w[2].substr(4), board->xid)) return "";
    return "a fault is lost, ecc=N, xid=N, hang, mode, create or clear, not '" + std::string(w[2]) + "'";
  }

  std::string instance(const Words& w) {
    static constexpr std::string_view kForm =
        "instance takes the index of a board already described on this node, a profile, start=N, id=N and "
        "perhaps uuid=MIG-…";
    SimulatedBoard* board = named_board(w);
    if ((w.size() != 5 && w.size() != 6) || !board) return std::string(kForm);
    SimulatedInstance made{.profile = std::string(w[2])};
    if (!w[3].starts_with("start=") || !number(w[3].substr(6), made.start) || !w[4].starts_with("id=") ||
        !number(w[4].substr(3), made.id))
      return std::string(kForm);
    if (w.size() == 6 && (!w[5].starts_with("uuid=MIG-") || w[5].size() >= 80)) return std::string(kForm);
    if (w.size() == 6) made.uuid = w[5].substr(5);
    if (!board->mig_enabled) return "board " + std::string(w[1]) + " has instances but not mig=on";
    board->instances.push_back(std::move(made));
    std::vector<Instance> layout;
    for (const SimulatedInstance& i : board->instances)
      layout.push_back({find_profile(board->model->name, i.profile), i.start});
    if (const auto fine = legal(board->model->name, layout); !fine) return fine.error();
    return "";
  }

  std::string use(const Words& w) {
    SimulatedBoard* board = named_board(w);
    if (w.size() != 3 || !board)
      return "use takes the index of a board already described on this node, then idle or a percentage";
    if (w[2] == "idle") return board->use = 0, "";
    if (number(w[2], board->use) && board->use >= 0 && board->use <= 100) return "";
    return "a use is idle or a percentage from 0 to 100, not '" + std::string(w[2]) + "'";
  }

  std::string held(const Words& w) {
    SimulatedBoard* board = named_board(w);
    if (w.size() != 2 || !board) return "held takes the index of a board already described on this node";
    return board->held = true, "";
  }

  std::string memory(const Words& w) {
    SimulatedBoard* board = named_board(w);
    SimulatedMemory m;
    if (w.size() != 5 || !board || !w[2].starts_with("start_mib=") || !number(w[2].substr(10), m.start_mib) ||
        !w[3].starts_with("mib=") || !number(w[3].substr(4), m.mib) || !w[4].starts_with("byte=") ||
        !number(w[4].substr(5), m.byte))
      return "memory takes the index of a board already described on this node, start_mib=N, mib=N and "
             "byte=N";
    if (m.start_mib < 0 || m.mib <= 0 || m.mib > board->model->memory_mib ||
        m.start_mib > board->model->memory_mib - m.mib || m.byte < 1 || m.byte > 255)
      return "memory lies on the board and its byte is 1 to 255";
    if (board->memory.size() >= kMaxMemory) return "more than 64 pieces of memory on one board";
    for (const SimulatedMemory& other : board->memory)
      if (m.start_mib < other.start_mib + other.mib && other.start_mib < m.start_mib + m.mib)
        return "two pieces of memory overlap";
    board->memory.push_back(m);
    return "";
  }

  std::string_view seed_;
  Description out_;
};

}  // namespace

std::expected<Description, std::string> parse_description(std::string_view text, std::string_view seed) {
  if (text.size() > kMaxText) return std::unexpected("a description of GPUs is at most 64 KiB");
  Parser parser(seed);
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const Words words = split(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (words.empty()) continue;
    if (std::string wrong = parser.line(words); !wrong.empty())
      return std::unexpected("line " + std::to_string(number) + ": " + wrong);
  }
  return parser.take();
}

std::expected<Description, std::string> describe_shorthand(std::string_view text, std::string_view seed) {
  const size_t first = text.find('x'), second = first == text.npos ? text.npos : text.find('x', first + 1);
  size_t nodes = 0, boards = 0;
  if (second == text.npos || !number(text.substr(0, first), nodes) ||
      !number(text.substr(first + 1, second - first - 1), boards))
    return std::unexpected("'" + std::string(text) + "' is not NODESxGPUSxMODEL, for example 2x8xH100-80GB");
  const std::string_view model = text.substr(second + 1);
  if (nodes < 1 || nodes > kMaxNodes || boards > kMaxBoards)
    return std::unexpected("1 to 16384 nodes of 0 to 16 GPUs, not '" + std::string(text) + "'");
  if (!find_model(model))
    return std::unexpected("unknown model '" + std::string(model) + "'; known: " + known_models());
  std::string description;
  for (size_t n = 0; n < nodes; ++n) {
    description += "node node-" + std::to_string(n) + "\n";
    for (size_t b = 0; b < boards; ++b) description += "board " + std::string(model) + "\n";
    if (boards > 1 && find_model(model)->nvlinks > 0) description += "link all\n";
  }
  if (description.size() > kMaxText) {  // too long as text, not too many: parse it node by node
    Description all;
    for (size_t n = 0; n < nodes; ++n) {
      auto one = describe_shorthand("1x" + std::to_string(boards) + "x" + std::string(model),
                                    std::string(seed) + "/" + std::to_string(n));
      if (!one) return one;
      one->nodes[0].name = "node-" + std::to_string(n);
      all.nodes.push_back(std::move(one->nodes[0]));
    }
    return all;
  }
  return parse_description(description, seed);
}

}  // namespace ingot::gpu
