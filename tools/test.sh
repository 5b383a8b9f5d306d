#!/usr/bin/env bash
# Installs what the tests need into .build and runs them: tools/test.sh [go|lint|fuzz|python|soak]; all but soak when none is named.
# Each step prints its seconds; the first failure of a step fails the run after the others have ended.
set -uo pipefail
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-python3}
GO=${GO:-go}
FUZZTIME=${FUZZTIME:-20s}
STATICCHECK=honnef.co/go/tools/cmd/staticcheck@v0.8.0
build=$PWD/.build
export PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
mkdir -p "$build"
failed=()

# step NAME COMMAND…: run it, say how long it took, remember a failure.
step() {
  local name=$1 began=$SECONDS
  shift
  if "$@"; then
    printf '== %s: ok, %d s\n' "$name" $((SECONDS - began))
  else
    printf '== %s: FAILED, %d s\n' "$name" $((SECONDS - began))
    failed+=("$name")
  fi
}

# environment DIR PYTHON: a virtual environment with what the tests need, made once.
environment() {
  local dir=$1 python=$2 stamp
  stamp=$(cat tests/requirements.txt <("$python" --version) | sha256sum)
  if [ "$(cat "$dir/stamp" 2>/dev/null)" != "$stamp" ]; then
    rm -rf "$dir"
    "$python" -m venv "$dir" && "$dir/bin/python" -m pip install --quiet -r tests/requirements.txt || return 1
    printf '%s\n' "$stamp" >"$dir/stamp"
  fi
}

# python313: a Python 3.13 that runs, from PATH or pyenv (whose shims on PATH may not); nothing when there is none.
python313() {
  local candidate
  for candidate in python3.13 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13*/bin/python3.13; do
    if "$candidate" -c '' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
}

wheel() {
  rm -rf "$build/dist"
  environment "$build/py" "$PYTHON" || return 1
  SPEYSIDE_STRICT=1 "$build/py/bin/python" -m pip wheel --quiet --no-deps --wheel-dir "$build/dist" .
}

install_wheel() { "$1/bin/python" -m pip install --quiet --no-deps --force-reinstall "$build"/dist/*.whl; }

# The same package, its extension built with AddressSanitizer and UndefinedBehaviorSanitizer.
sanitized() {
  environment "$build/sanitized" "$PYTHON" || return 1
  SPEYSIDE_SANITIZE=1 "$build/sanitized/bin/python" -m pip install --quiet --no-deps --force-reinstall .
}

black_box() { # DIR ARGUMENTS…
  local dir=$1
  shift
  SPEYSIDE="$dir/bin/speyside" "$dir/bin/python" -m pytest -q -p no:cacheprovider "$@"
}

# Most tests wait for a server most of the time, so several run at once; those that measure have the machine for themselves.
black_box_tests() { # DIR ARGUMENTS…
  local dir=$1
  shift
  black_box "$dir" -n 4 --dist loadfile -m "not alone" tests "$@" && black_box "$dir" -m alone tests "$@"
}

# The pages of the manual that run: tests/script/README.md.
scripts() { SPEYSIDE="$1/bin/speyside" "$GO" test -count=1 -tags blackbox ./tests; }

test_lint() {
  step gofmt bash -c 'test -z "$(gofmt -l $(git ls-files "*.go") | tee /dev/stderr)"'
  step vet "$GO" vet -tags blackbox ./...
  step "vet for darwin" env GOOS=darwin "$GO" vet ./...
  step staticcheck "$GO" run "$STATICCHECK" -tags blackbox ./...
  step generated "$GO" run ./tools/generate -check
  step "environment" environment "$build/py" "$PYTHON"
  step ruff "$build/py/bin/ruff" check .
  step "ruff format" "$build/py/bin/ruff" format --check .
  step mypy "$build/py/bin/mypy"
  step "mypy bench" "$build/py/bin/mypy" bench
}

test_go() {
  step "go test -race" "$GO" test -race ./...
  step "go test hot path" "$GO" test -run HotPath ./internal/...
  step "go test model" "$GO" test -count=1 ./internal/slot/model
}

# fuzz_for TIME PACKAGE TARGET
fuzz_for() { "$GO" test -run '^$' -fuzz "^$3\$" -fuzztime "$1" -fuzzminimizetime 20x -parallel 1 "$2"; }

# Go before 1.27 may report that the time is over as a failure (go.dev/issue/75804). Then the target runs again for a number of
# inputs, which has no end in time, and that decides.
fuzz_target() {
  local said status=0
  said=$(fuzz_for "$FUZZTIME" "$@" 2>&1) || status=$?
  printf '%s\n' "$said"
  if [ "$status" -ne 0 ] && grep -qx ' *context deadline exceeded' <<<"$said" && ! grep -q 'Failing input' <<<"$said"; then
    fuzz_for 5000x "$@"
    return
  fi
  return "$status"
}

test_fuzz() {
  local package target
  for package in $("$GO" list ./...); do
    for target in $("$GO" test -list '^Fuzz' "$package" | grep '^Fuzz'); do
      step "fuzz $target" fuzz_target "$package" "$target"
    done
  done
}

test_python() {
  local other
  step wheel wheel
  step install install_wheel "$build/py"
  step "tests on $("$PYTHON" --version)" black_box_tests "$build/py"
  step "tests of bench" black_box "$build/py" bench
  step "scripts on $("$PYTHON" --version)" scripts "$build/py"
  SPEYSIDE_DEMO=1 step "make demo in a browser" black_box "$build/py" tests/demo
  other=$(python313)
  if [ -n "$other" ]; then
    step "environment 3.13" environment "$build/py313" "$other"
    step "install 3.13" install_wheel "$build/py313"
    SPEYSIDE_AGAIN=1 step "tests on $("$other" --version)" black_box_tests "$build/py313"
  else
    echo "== Python 3.13 was not found on PATH or in pyenv: its tests did not run"
  fi
  step "sanitized build" sanitized
  step "tests under ASan and UBSan" test_sanitized
}

test_sanitized() {
  SANITIZER_LIBRARY=$(gcc -print-file-name=libasan.so) black_box_tests "$build/sanitized" --ignore tests/python --ignore tests/soak --ignore tests/packaging
}

# Minutes of what the ordinary run does for seconds.
test_soak() {
  step wheel wheel
  step install install_wheel "$build/py"
  SPEYSIDE_SOAK=1 step "go test model" "$GO" test -count=1 -timeout 30m ./internal/slot/model
  SPEYSIDE_SOAK=1 step "soak on $("$PYTHON" --version)" black_box "$build/py" tests/soak
  SPEYSIDE_RELOADS=20 step "20 reloads" black_box "$build/py" tests/server/test_reload.py -k under_load
}

case ${1:-all} in
go) test_go ;;
lint) test_lint ;;
fuzz) test_fuzz ;;
python) test_python ;;
soak) test_soak ;;
all)
  # The fuzzers take what the others leave of the CPUs.
  nice -n 19 "$0" fuzz >"$build/fuzz.log" 2>&1 &
  fuzzers=$!
  test_lint
  test_go
  test_python
  wait "$fuzzers" || failed+=(fuzz)
  cat "$build/fuzz.log"
  ;;
*) echo "tools/test.sh: no such part: $1" >&2 && exit 2 ;;
esac

if [ ${#failed[@]} -gt 0 ]; then
  printf 'failed: %s\n' "${failed[*]}"
  exit 1
fi
echo "all of it passed in $SECONDS s"
