#!/usr/bin/env bash
exec python3 "$(dirname "$0")/mlflow_e2e.py"
