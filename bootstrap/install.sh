#!/usr/bin/env bash
# Installs the dependency archive on a node: the EMR bootstrap action, and as good on any node of any cluster.
#
#   install.sh ARCHIVE SHA256
#
#   ARCHIVE   s3://bucket/prefix/fma_prep-x86_64.tar.gz, or a file on this node
#   SHA256    of that file; `make archive` prints it
#
# Unpacks to /opt/fma_prep/SHA256 and points /opt/fma_prep/current there; PYTHONPATH=/opt/fma_prep/current does the rest.
# Needs bash, tar, Python 3.11 and, for s3://, the aws command: no compiler, package manager or internet. Run again it
# changes nothing. If it fails, it says why in one line, exits with 1 (2 for bad usage) and leaves nothing behind.
set -euo pipefail
umask 022
export LC_ALL=C PATH="${PATH:-/usr/bin:/bin}:/usr/bin:/bin:/usr/local/bin"

root="${FMA_PREP_ROOT:-/opt/fma_prep}"
python="${FMA_PREP_PYTHON:-/usr/bin/python3.11}"
incoming=

say() { printf 'fma_prep bootstrap on %s: %s\n' "$(uname -n)" "$1" >&2; }

fail() { # what is wrong, what to do about it
    say "FAILED: $1. $2"
    exit "${3:-1}"
}

reason() { # the error output of a command, as a person would say it
    case "$1" in
    *"No space left"* | *"Disk quota"* | *"Wrote only"*) echo "the disk is full" ;;
    *"(403)"* | *AccessDenied* | *Forbidden* | *"not authorized"*) echo "this node may not read it" ;;
    *"(404)"* | *NoSuchKey* | *NoSuchBucket* | *"Not Found"*) echo "it is not there" ;;
    *"Unable to locate credentials"*) echo "this node has no AWS credentials" ;;
    *"Could not connect"* | *"timed out"* | *"timeout"* | *"Network is unreachable"* | *"Name or service not known"* | \
        *"name resolution"*) echo "there is no network to S3" ;;
    *) printf '%s\n' "$1" | grep -v '^[[:space:]]*$' | tail -n 1 | cut -c 1-300 || true ;;
    esac
}

remedy() { # for a reason of fetching
    case "$1" in
    *full*) echo "Give the nodes a larger root volume" ;;
    *"may not"* | *credentials*) echo "Give the instance profile s3:GetObject on it" ;;
    *"no network"*) echo "The subnet needs an S3 gateway endpoint or a way out" ;;
    *) echo "Check the address" ;;
    esac
}

cleanup() { [ -z "$incoming" ] || rm -rf -- "$incoming"; }
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

attempt() { # run a command; on failure its error output, reduced to a reason, is in $why
    if ! why="$("$@" 2>&1 >/dev/null)"; then
        why="$(reason "$why")"
        return 1
    fi
}

fetch() { # s3 uri or file, destination
    case "$1" in
    s3://*)
        command -v aws >/dev/null || fail "there is no aws command" "It is part of Amazon Linux; elsewhere give a file"
        AWS_MAX_ATTEMPTS="${AWS_MAX_ATTEMPTS:-3}" AWS_METADATA_SERVICE_TIMEOUT=5 AWS_METADATA_SERVICE_NUM_ATTEMPTS=5 \
            attempt aws s3 cp --no-progress --cli-connect-timeout 10 --cli-read-timeout 60 "$1" "$2" ||
            fail "cannot fetch $1: $why" "$(remedy "$why")"
        ;;
    *) attempt cp -- "$1" "$2" || fail "cannot read $1: $why" "$(remedy "$why")" ;;
    esac
}

works() { # does every part of the folder load, by the interpreter that the workers will use
    # shellcheck disable=SC2016
    attempt env -i PATH=/usr/bin:/bin PYTHONPATH="$1" PYTHONDONTWRITEBYTECODE=1 "$python" -c '
import importlib, json, os, platform, subprocess, sys
try:
    with open(os.path.join(sys.argv[1], "fma_prep_archive.json")) as file:
        about = json.load(file)
except FileNotFoundError:
    sys.exit("it is not an archive made by make archive")
if about["arch"] != platform.machine():
    sys.exit("it is for %s, this node is %s" % (about["arch"], platform.machine()))
try:
    for name in about["imports"]:
        importlib.import_module(name)
    if "imageio_ffmpeg" in about["imports"]:
        import imageio_ffmpeg
        subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-version"], check=True, stdout=subprocess.DEVNULL)
except Exception as e:
    sys.exit("a smoke test failed: %s: %s" % (type(e).__name__, e))
' "$1"
}

[ $# = 2 ] || fail "expected ARCHIVE SHA256, got $# arguments" "Usage: install.sh s3://…/fma_prep-x86_64.tar.gz SHA256" 2
source="$1" sha256="$2"
[[ "$sha256" =~ ^[0-9a-f]{64}$ ]] || fail "'$sha256' is no sha256" "make archive prints it" 2

if [ "$(id -u)" != 0 ]; then # EMR runs bootstrap actions as hadoop, who may sudo
    attempt sudo -n true || fail "user $(id -un) may not write $root" "Run it as root, or as a user who may sudo"
    exec sudo -n bash "$0" "$@"
fi
attempt "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "it is %d.%d" % sys.version_info[:2])' ||
    fail "Python 3.11 is missing: $python: $why" "Use EMR 7.1 or later, or install python3.11"
case "$source" in
*-x86_64.tar.gz | *-aarch64.tar.gz)
    arch="${source##*-}"
    [ "${arch%.tar.gz}" = "$(uname -m)" ] ||
        fail "$source is for ${arch%.tar.gz}, this node is $(uname -m)" "make archive ARCH=$(uname -m)"
    ;;
esac

attempt mkdir -p "$root" || fail "cannot make $root: $why" "Run it as root, on a disk with room"
exec 9>"$root/.lock"
flock 9 # one at a time; so whatever is left over from a run that was killed may go
rm -rf -- "$root"/.incoming.*

if ! { [ -d "$root/$sha256" ] && works "$root/$sha256"; }; then
    attempt mkdir "$root/.incoming.$$" || fail "cannot write $root: $why" "$(remedy "$why")"
    incoming="$root/.incoming.$$"
    fetch "$source" "$incoming/archive"
    printf '%s  %s\n' "$sha256" "$incoming/archive" | sha256sum --check --status ||
        fail "$source is not what was expected: its sha256 is $(sha256sum "$incoming/archive" | cut -c 1-64), not $sha256" \
            "Upload it again"
    mkdir "$incoming/tree"
    attempt tar -xzf "$incoming/archive" -C "$incoming/tree" --no-same-owner --no-same-permissions ||
        fail "cannot unpack $source into $root: $why" "$(remedy "$why")"
    attempt "$python" -m compileall -q -j 0 "$incoming/tree" || fail "cannot compile it: $why" "$(remedy "$why")"
    chmod -R a+rX "$incoming" # containers run as yarn
    works "$incoming/tree" || fail "$source does not work here: $why" "make archive ARCH=$(uname -m) builds one that does"
    rm -rf -- "${root:?}/$sha256" # an installation that no longer works
    mv -T -- "$incoming/tree" "$root/$sha256"
fi
ln -sfn -- "$sha256" "$root/.incoming.link"
mv -T -- "$root/.incoming.link" "$root/current" # a rename: nobody ever sees it missing
say "installed $source ($sha256) in $root/current"
