#!/bin/bash
# Webhooks of models, with MLflow's client and a receiver that is not always friendly.
exec python3 "$(dirname "$0")/webhooks_e2e.py" "$@"
