#!/usr/bin/env bash
exec python3 "$(dirname "$0")/workflows_e2e.py"
