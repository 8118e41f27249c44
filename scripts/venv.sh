# Sourced by the other scripts: makes virtual environments and installs into them.

# pip compiles none of what it installs, which takes as long as to install it: Python compiles what
# is imported, once, where it may write that down.
unset PYTHONDONTWRITEBYTECODE

# Usage: ensure_venv GROUP or ensure_venv EXTRAS   e.g. ensure_venv dev, ensure_venv plots,jax
# The package with a dependency group of pyproject.toml or with extras, in .venv.
ensure_venv() {
  case $1 in
    dev | docs | notebooks)
      ensure_installed .venv "$1" "keras_vae and its group $1" --editable . --group "$1"
      ;;
    *) ensure_installed .venv "$1" "keras_vae[$1]" --editable ".[$1]" ;;
  esac
}

# Usage: ensure_installed VENV NAME TITLE PIP_ARGUMENTS...
# Quick when what was installed under NAME is still what is to be installed.
ensure_installed() {
  local venv=$1 stamp="$1/.installed-$2" title=$3
  shift 3
  if [ ! -x "$venv/bin/python" ]; then
    echo "Making $venv with $(find_python) ..."
    rm -rf "$venv"
    "$(find_python)" -m venv "$venv"
  fi
  if ! cat pyproject.toml scripts/constraints.txt | cmp -s - "$stamp"; then
    echo "Installing $title into $venv; the first time takes a few minutes ..."
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "pip>=25.1" # for --group
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile \
      --constraint scripts/constraints.txt "$@"
    cat pyproject.toml scripts/constraints.txt >"$stamp"
  fi
}

# Usage: ensure_browser_runtime
# onnxruntime-web in .venv/web, for the test of the page, where there is npm.
ensure_browser_runtime() {
  local package=onnxruntime-web@1.30.0
  if command -v npm >/dev/null && [ ! -d .venv/web/node_modules/onnxruntime-web ]; then
    echo "Installing $package into .venv/web ..."
    npm install --silent --no-audit --no-fund --ignore-scripts --fetch-retries 1 \
      --fetch-timeout 60000 --prefix .venv/web "$package" ||
      echo "$package could not be installed; the page of an export is not tested."
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
