#!/usr/bin/env bash
# Makes sure that the build has what it needs beside Rust crates: a C++ compiler and libclang for
# RocksDB, OpenSSL for Kafka's client, and what else Cargo.lock asks for. Installs it on Debian and Ubuntu, says what to do
# elsewhere. Run it as often as you like: when all is there it says nothing and changes nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
has() { command -v "$1" >/dev/null 2>&1; }
locked() { grep -qx "name = \"$1\"" Cargo.lock; }

# Packages that are missing, and why each is wanted.
packages=()
reasons=()
want() { packages+=("$1") reasons+=("$1: $2"); }

has_libclang() {
    local place
    for place in "${LIBCLANG_PATH:-/nowhere}" /usr/lib/llvm-*/lib /usr/lib/*-linux-gnu /usr/lib /usr/lib64 \
        /usr/local/lib /opt/homebrew/opt/llvm/lib /Library/Developer/CommandLineTools/usr/lib; do
        compgen -G "$place/libclang*.so*" >/dev/null && return
        compgen -G "$place/libclang*.dylib" >/dev/null && return
    done
    return 1
}

has_openssl() { has pkg-config && pkg-config --exists openssl; }
has_cxx_headers() { echo '#include <vector>' | clang++ -x c++ -fsyntax-only - 2>/dev/null; }

find_missing() {
    if ! { has clang && has clang++; }; then want clang "compiles RocksDB (C++)"; fi
    has_libclang || want libclang-dev "reads RocksDB's headers for its Rust bindings"
    if has clang++ && ! has_cxx_headers; then want g++ "brings the C++ standard library's headers"; fi
    has make || want make "runs the Makefile"
    if locked cmake && ! has cmake; then want cmake "configures a C library that a crate builds"; fi
    if locked openssl-sys && ! has_openssl; then want libssl-dev "encrypts connections to Kafka brokers"; fi
    if locked pkg-config && ! has pkg-config; then want pkg-config "finds C libraries that crates link"; fi
}

install_missing() {
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! has sudo; then
            say "not root and there is no sudo; as root: apt-get install ${packages[*]}"
            exit 1
        fi
        as_root=(sudo)
    fi
    say "installing with apt-get:"
    printf '  %s\n' "${reasons[@]}" >&2
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >&2
}

explain_missing() {
    say "this is neither Debian nor Ubuntu, so nothing is installed. Missing (by their Debian names):"
    printf '  %s\n' "${reasons[@]}" >&2
    say "Fedora: dnf install clang clang-devel cmake make pkgconf openssl-devel; Arch: pacman -S clang cmake make pkgconf openssl;"
    say "macOS: xcode-select --install, and brew install llvm cmake pkg-config openssl."
    exit 1
}

check_rust() {
    local wanted found
    wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
    if ! has cargo || ! has rustc; then
        say "there is no Rust here. Install rustup (see rustup.rs), then: rustup toolchain install stable"
        exit 1
    fi
    found=$(rustc --version | cut -d ' ' -f 2)
    if [ "$(printf '%s\n' "$wanted" "${found%%-*}" | sort -V | head -n 1)" != "$wanted" ]; then
        say "Rust $wanted or newer is needed, this is $found. With rustup: rustup update stable"
        exit 1
    fi
}

# What only some tests need is never installed; what is skipped without it is said each time.
mention_optional() {
    local missing=()
    has node && has npm || missing+=("Node.js and npm: the tests of the clients in JavaScript are SKIPPED")
    if [ -n "$(find . -name pom.xml -not -path '*/node_modules/*' -print -quit)" ]; then
        has java && has mvn || missing+=("Java 17 and Maven: the tests on real Kafka brokers are SKIPPED")
    fi
    if [ "${#missing[@]}" -gt 0 ]; then
        say "not here, and not required:"
        printf '  %s\n' "${missing[@]}" >&2
    fi
}

find_missing
if [ "${#packages[@]}" -gt 0 ]; then
    if has apt-get; then install_missing; else explain_missing; fi
    packages=() reasons=()
    find_missing
    if [ "${#packages[@]}" -gt 0 ] && has apt-get; then install_missing; fi
fi
check_rust
mention_optional
