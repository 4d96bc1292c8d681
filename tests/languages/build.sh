#!/usr/bin/env bash
# build.sh: the Python and JavaScript guests that tests/languages needs, into target/languages/guests/<name>.wasm, with toolchains from
# PyPI and npm in target/languages. What is newer than its sources stays.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
work=$root/target/languages
out=$work/guests
wit=$root/wit/v1
componentize_py=0.25.1
jco=1.35.0
bin=$work/node/node_modules/.bin
mkdir -p "$out" "$work/node" "$work/sources"

if [ ! -x "$work/venv/bin/pytest" ] || ! "$work/venv/bin/componentize-py" --version 2>/dev/null | grep -q " $componentize_py\$"; then
  python3 -m venv "$work/venv"
  "$work/venv/bin/pip" -q install --disable-pip-version-check "componentize-py==$componentize_py" -r "$root/tests/blackbox/requirements.txt"
fi
if [ "$("$bin/jco" --version 2>/dev/null)" != "$jco" ]; then
  npm install --prefix "$work/node" --no-save --no-audit --no-fund --loglevel error "@bytecodealliance/jco@$jco"
fi

# newer OUT FILE…: was OUT made after all of the files?
newer() {
  local made=$1 file
  shift
  [ -e "$made" ] || return 1
  for file in "$@"; do [ "$made" -nt "$file" ] || return 1; done
}

# python NAME SOURCE WORLD OPTIONS: a component of one Python file.
python() {
  local name=$1 source=$2 world=$3 options=$4 module
  module=$(basename "$source" .py)
  newer "$out/$name.wasm" "$source" "$root"/guest-sdk/python/*.py "$wit"/*.wit && return
  echo "$name"
  # shellcheck disable=SC2086 # options are words
  "$work/venv/bin/componentize-py" -q -d "$wit" -w "$world" componentize -p "$root/guest-sdk/python" -p "$(dirname "$source")" $options "$module" -o "$out/$name.part"
  mv "$out/$name.part" "$out/$name.wasm"
}

# javascript NAME SOURCE WORLD OPTIONS: a component of a JavaScript module and the two of the SDK, with QuickJS inside.
javascript() {
  local name=$1 source=$2 world=$3 options=$4 folder=$work/sources/$1
  newer "$out/$name.wasm" "$source" "$root"/guest-sdk/javascript/*.js "$wit"/*.wit && return
  echo "$name"
  rm -rf "$folder"
  mkdir -p "$folder"
  cp "$source" "$folder/guest.js"
  cp "$root"/guest-sdk/javascript/*.js "$folder"
  # shellcheck disable=SC2086 # options are words
  (cd "$folder" && "$bin/componentize-qjs" --wit "$wit" --world "$world" --js guest.js --module-root . --sync $options -o "$out/$name.part" >/dev/null)
  mv "$out/$name.part" "$out/$name.wasm"
}

# The same with SpiderMonkey inside; it takes one file, and the interface as one text.
spidermonkey() {
  local name=$1 source=$2 world=$3 folder=$work/sources/$1
  newer "$out/$name.wasm" "$source" "$root"/guest-sdk/javascript/*.js "$wit"/*.wit && return
  echo "$name"
  rm -rf "$folder"
  mkdir -p "$folder"
  cp "$source" "$folder/guest.js"
  cp "$root"/guest-sdk/javascript/*.js "$folder"
  "$bin/rolldown" "$folder/guest.js" --format esm --file "$folder/bundle.js" >/dev/null
  { sed -n '/^package/p;/^package/q' "$wit/types.wit"; cat "$wit"/*.wit | sed '/^package/d'; } >"$folder/world.wit"
  (cd "$work/node" && node --input-type=module - "$folder" "$world" "$out/$name.part" <<'SCRIPT'
import { readFileSync, writeFileSync } from 'node:fs';
import { componentize } from '@bytecodealliance/componentize-js';
const [folder, worldName, out] = process.argv.slice(2);
const witWorld = readFileSync(`${folder}/world.wit`, 'utf8');
const { component } = await componentize(readFileSync(`${folder}/bundle.js`, 'utf8'), { witWorld, worldName });
writeFileSync(out, component);
SCRIPT
  )
  mv "$out/$name.part" "$out/$name.wasm"
}

examples=$root/plugins/examples
# Revision 2 of each function differs by one letter.
for language in python:py javascript:js; do
  extension=${language#*:} folder=$work/sources/mask2-${language%:*}
  mkdir -p "$folder"
  sed "s/\"x\"/\"y\"/; s/letter = 'x'/letter = 'y'/" "$examples/${language%:*}/mask.$extension" >"$folder/mask2.$extension.new"
  cmp -s "$folder/mask2.$extension.new" "$folder/mask2.$extension" || mv "$folder/mask2.$extension.new" "$folder/mask2.$extension"
done

# With WASI's imports and without: both must load.
javascript javascript-mask "$examples/javascript/mask.js" scalar-function ""
javascript javascript-mask2 "$work/sources/mask2-javascript/mask2.js" scalar-function "--stub-wasi"
javascript javascript-portions "$examples/javascript/portions.js" stage "--stub-wasi"
javascript javascript-every "$root/tests/languages/guests/every.js" scalar-function ""
javascript javascript-letters "$root/tests/languages/guests/letters.js" table-function ""
spidermonkey spidermonkey-mask "$examples/javascript/mask.js" scalar-function
python python-mask "$examples/python/mask.py" scalar-function ""
python python-mask2 "$work/sources/mask2-python/mask2.py" scalar-function "-s"
python python-portions "$examples/python/portions.py" stage "-s"
python python-every "$root/tests/languages/guests/every.py" scalar-function ""
python python-letters "$root/tests/languages/guests/letters.py" table-function "-s"
