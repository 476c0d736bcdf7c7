// Questions about access and identity, and tokens: authorization.k8s.io, authentication.k8s.io, serviceaccounts/token.
// Nothing is stored. Loop thread, inside the turn.
#pragma once

#include "apiserver/context.h"

namespace ingot::apiserver {

bool is_review(const api::Resource&);
Result<Outcome> answer_review(Call&);
// POST serviceaccounts/NAME/token (authentication.k8s.io/v1 TokenRequest).
Result<Outcome> issue_token(Call&);

}  // namespace ingot::apiserver
