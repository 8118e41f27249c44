# Sourced by the other scripts: makes .venv and installs the package into it.

# Usage: ensure_venv EXTRAS   e.g. ensure_venv plots,jax
# Quick when neither the extras nor what is to be installed has changed.
ensure_venv() {
  local stamp=".venv/.installed-$1"
  if [ ! -x .venv/bin/python ]; then
    echo "Making .venv with $(find_python) ..."
    rm -rf .venv
    "$(find_python)" -m venv .venv
  fi
  if ! cat pyproject.toml scripts/constraints.txt | cmp -s - "$stamp"; then
    echo "Installing keras_vae[$1] into .venv; the first time takes a few minutes ..."
    .venv/bin/python -m pip install --quiet --disable-pip-version-check \
      --constraint scripts/constraints.txt --editable ".[$1]"
    cat pyproject.toml scripts/constraints.txt >"$stamp"
  fi
}

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11 python; do
    if [ -n "$candidate" ] && "$candidate" -c \
      'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "No Python 3.11 to 3.13 with venv found; set PYTHON to one." >&2
  return 1
}
