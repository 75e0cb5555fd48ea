# Directories that are there already keep owner and mode. A link in place of one is followed by nothing here.
make_directories() {
    for entry in "$@"; do
        directory=${entry%:*}
        if [ ! -e "$directory" ] && [ ! -L "$directory" ]; then
            install -d -o tedge -g tedge -m "${entry##*:}" "$directory"
        fi
    done
}

# Settings that root wrote before there was a package: the services read and write them as their own user. Modes stay. find
# stays in the directory it looked at: a name that becomes a link meanwhile leads nowhere else.
hand_over_settings() {
    find -H /etc/tedge -mindepth 1 -maxdepth 3 -user root \( \
        -type d -regex '/etc/tedge/mappers\(/[^/]*\)?' -o \
        -type f -links 1 -regex '/etc/tedge/\(tedge\|system\|secrets\|tedge-p11-server\|mappers/[^/]*/mapper\)\.toml' \
        \) -execdir chown --no-dereference tedge:tedge {} +
}
