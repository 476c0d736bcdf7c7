// env::WebhookSender by worker processes, one for each post (webhook_worker.h): tenants choose where they go and what answers.
//
// Thread rule: the loop; a few threads wait for workers. Destroyed by any thread but the loop's and its own. Bounds: so many
// workers at once, of one cluster and of all; a post ends after a while, whatever the other side does.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "env/env.h"
#include "env/webhooks.h"
#include "host/git_connect.h"

namespace ingot::host {

struct WebhookOptions {
  std::vector<AddressRange> allowed;  // addresses that are good besides public ones; without TLS only these
  std::string ca_pem;                 // authorities that are trusted besides the machine's
  int workers = 16, workers_of_one = 2;
  Duration patience = std::chrono::seconds(10);  // from connecting to the answer's end
};

std::unique_ptr<env::WebhookSender> make_webhook_sender(env::Loop&, WebhookOptions);

}  // namespace ingot::host
