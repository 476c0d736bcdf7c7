#include "ingot/account_requests.h"

#include "host/api_client.h"

namespace ingot {

void AccountRequests::send(pipelines::Ask ask, std::move_only_function<void(Result<pipelines::Told>)> done) {
  // The groups that the account's own token gives.
  const apiserver::Identity who{
      .name = "system:serviceaccount:" + ask.ns + ":" + ask.account,
      .groups = {"system:serviceaccounts", "system:serviceaccounts:" + ask.ns, "system:authenticated"},
      .uid = ask.account_uid,
      .home = ask.cluster};
  host::InProcessTransport(loop_, server_, who)
      .call({.method = std::move(ask.method),
             .path = std::move(ask.target),
             .body = std::move(ask.body),
             .content_type = std::move(ask.content_type)},
            [done = std::move(done)](Result<node::Answer> answer) mutable {
              if (!answer) return done(fail(answer.error()));
              done(pipelines::Told{answer->code, std::move(answer->body)});
            });
}

}  // namespace ingot
