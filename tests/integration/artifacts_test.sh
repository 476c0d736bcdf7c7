#!/usr/bin/env bash
exec python3 "$(dirname "$0")/artifacts_e2e.py"
