#!/usr/bin/env bash
exec python3 "$(dirname "$0")/factory_e2e.py"
