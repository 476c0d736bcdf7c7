// The running factory of a data directory, as the operator; or the one that KUBECONFIG names, as what it says. Main thread.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "api/json.h"
#include "base/ids.h"
#include "host/https_client.h"
#include "host/instance.h"
#include "ingot/commands.h"

namespace ingot {

class Client {
 public:
  // Whoever may read the data directory of a running factory is its operator. Anybody else, unless the directory was
  // named, is whom the kubeconfig says: a tenant's user. The error says what of both is missing.
  static Result<Client> open(const Common&);

  // Whose control plane is asked where none is named: kRootCluster of an operator, else the tenant's.
  const std::string& home() const { return home_; }
  bool is_operator() const { return home_ == kRootCluster.value; }
  // "/clusters/HOME/apis/factory.ingot.dev/v1alpha1", for what every control plane answers, each of its own.
  std::string own_api() const;

  // The answer's JSON; an answer that is not 2xx is an Error with the Status' message. The body of a PATCH is a merge
  // patch.
  Result<api::Json> call(const std::string& method, const std::string& path, const api::Json* body = nullptr);
  // A merge patch.
  Result<void> merge(const std::string& path, const api::Json& patch);
  Result<std::string> text(const std::string& path);
  Result<api::Json> get(const std::string& path) { return call("GET", path); }
  // All items of a collection, page by page.
  Result<api::JsonArray> list(const std::string& path);
  Result<void> watch(const std::string& path, const std::function<bool(const api::Json& event)>&);

  // One more connection, for who sends or fetches much. Any thread may have it.
  Result<std::unique_ptr<host::HttpsClient>> connection(Duration timeout) const;

  const host::FactoryRecord& record() const { return record_; }

 private:
  // What an operator alone may ask is refused here, in words.
  Result<void> may(std::string_view path) const;

  std::string home_;
  host::FactoryRecord record_;  // of a kubeconfig's factory the address alone
  host::Endpoint endpoint_;
  std::unique_ptr<host::HttpsClient> https_;
};

inline constexpr std::string_view kRoot = "/clusters/root";
inline constexpr std::string_view kFactoryApi = "/clusters/root/apis/factory.ingot.dev/v1alpha1";

// What an answer that is not 2xx says.
Error refusal(const host::HttpsClient::Response&);

// "sinceSeconds=N" of --since; "" of "".
std::expected<std::string, std::string> since_query(const std::string& since);

// Not running, or the record of who runs.
Result<host::FactoryRecord> running_factory(const std::string& data);

}  // namespace ingot
