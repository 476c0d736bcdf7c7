// Reads what the ledger books, row after row, in the order of their sequence: a page at a time, beside the loop.
//
// Thread rule: the loop. Invariants: a pod's rows, which were written together, are in one page; at most one page is asked
// for at a time; what cannot be read is asked for again, a little later.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "env/env.h"
#include "policy/ledger_entry.h"
#include "store/shard.h"

namespace ingot::controllers {

class LedgerTail {
 public:
  struct Row {
    uint64_t sequence;
    policy::LedgerEntry entry;
  };
  struct Page {
    std::vector<Row> rows;
    uint64_t up_to;  // everything until there is read
    bool end;        // that was all, as of when it was asked for
  };
  using Take = std::function<void(Page)>;

  LedgerTail(env::Env&, store::Shard&, Take);
  ~LedgerTail();
  LedgerTail(const LedgerTail&) = delete;
  LedgerTail& operator=(const LedgerTail&) = delete;

  // What comes after a row and ended since then. Not while a page is awaited.
  void ask(uint64_t after, WallTime since);
  bool asked() const;
  void clear();  // what was asked for is not awaited any more

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace ingot::controllers
