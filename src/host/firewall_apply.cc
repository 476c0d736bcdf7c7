#include "host/firewall_apply.h"

#include <fmt/format.h>
#include <nftables/libnftables.h>

#include "base/assert.h"

namespace ingot::host {
namespace {

std::string first_line(const char* text) {
  std::string line = text ? text : "";
  line.resize(std::min(line.find('\n'), line.size()));
  return line.empty() ? "nftables refused without a reason" : line;
}

}  // namespace

FirewallApply::FirewallApply() : context_(nft_ctx_new(NFT_CTX_DEFAULT), nft_ctx_free) {
  ASSERT(context_ != nullptr);
  nft_ctx_buffer_output(context_.get());
  nft_ctx_buffer_error(context_.get());
}
FirewallApply::~FirewallApply() = default;

Result<void> FirewallApply::apply(const std::string& commands) {
  int failed = nft_run_cmd_from_buffer(context_.get(), commands.c_str());
  const std::string complaint = first_line(nft_ctx_get_error_buffer(context_.get()));
  nft_ctx_get_output_buffer(context_.get());
  if (!failed) return {};
  bool forbidden = complaint.find("Operation not permitted") != complaint.npos;
  return fail(forbidden ? Reason::Forbidden : Reason::Invalid, "nftables: " + complaint);
}

Result<std::string> FirewallApply::list(const std::string& what) {
  int failed = nft_run_cmd_from_buffer(context_.get(), ("list " + what).c_str());
  std::string text = nft_ctx_get_output_buffer(context_.get());
  const std::string complaint = first_line(nft_ctx_get_error_buffer(context_.get()));
  if (!failed) return text;
  bool absent = complaint.find("No such file") != complaint.npos;
  return fail(absent ? Reason::NotFound : Reason::InternalError, "nftables: " + complaint);
}

Result<void> FirewallApply::remove_table(const std::string& table) {
  // Adding what exists is fine, so the two together never fail for an absent table.
  return apply(fmt::format("add table {0}\ndelete table {0}\n", table));
}

}  // namespace ingot::host
