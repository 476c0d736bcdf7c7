#include "ingot/signing.h"

#include <fmt/format.h>

#include "ingot/routes.h"

namespace ingot {

Result<std::unique_ptr<Signing>> Signing::open(const std::string& directory, const std::string& factory,
                                               host::RealEnv& real) {
  auto keys = host::SigningKeys::open(directory, real.clock);
  if (!keys) return fail(keys.error());
  return std::unique_ptr<Signing>(
      new Signing(std::move(*keys), fmt::format("https://ingot.dev/factories/{}", factory), real));
}

void Signing::mount(apiserver::Server& server, env::Blobs& blobs, apiserver::BlobSource& files,
                    host::TrackingService& tracking) {
  server.mount(keys_route(*keys_));
  server.mount(rotate_route(*keys_, worker_, real_.log));
  server.mount(lineage_route(lineage_));
  models_ = std::make_unique<host::ModelService>(real_.loop, blobs, files, tracking);
  models_->use(&server);
  for (const char* prefix : {"registered-models/", "model-versions/", "webhooks/"})
    tracking.mount(prefix,
                   [models = models_.get()](apiserver::MlflowTarget target, apiserver::ExchangePtr exchange) {
                     models->serve(std::move(target), std::move(exchange));
                   });
}

void Signing::rest() {
  registrar_ = nullptr;
  witness_ = nullptr;
  lineage_ = nullptr;
  if (models_) models_->use(nullptr);
}

void Signing::run(store::Shard& shard, env::Blobs& blobs) {
  registrar_ = std::make_unique<registry::Registrar>(real_.env, shard, blobs, *keys_, worker_,
                                                     registry::RegistrarOptions{.factory = builder_});
  witness_ = std::make_unique<registry::Witness>(real_.env, shard);
  lineage_ = std::make_unique<registry::Lineage>(real_.env, shard, reader_);
}

}  // namespace ingot
