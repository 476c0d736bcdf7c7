// nftables rules into the kernel, through libnftables. A ruleset text is one transaction: all of it or nothing.
// Thread rule: one thread at a time.
#pragma once

#include <memory>
#include <string>

#include "base/error.h"

struct nft_ctx;

namespace ingot::host {

class FirewallApply {
 public:
  FirewallApply();
  ~FirewallApply();
  FirewallApply(const FirewallApply&) = delete;

  // Commands as `nft -f` reads them. Forbidden without CAP_NET_ADMIN; Invalid with nft's own first line of complaint.
  Result<void> apply(const std::string& commands);
  // `nft list …`: the text. NotFound when what is listed does not exist.
  Result<std::string> list(const std::string& what);  // "table inet ingot_3f2a"
  // Succeeds when there is none.
  Result<void> remove_table(const std::string& family_and_name);  // "inet ingot_3f2a"

 private:
  std::unique_ptr<nft_ctx, void (*)(nft_ctx*)> context_;
};

}  // namespace ingot::host
