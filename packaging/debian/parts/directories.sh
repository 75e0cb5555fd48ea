# Directories that are there already keep owner and mode. A link in place of one is followed by nothing here.
make_directories() {
    for entry in "$@"; do
        directory=${entry%:*}
        if [ ! -e "$directory" ] && [ ! -L "$directory" ]; then
            install -d -o tedge -g tedge -m "${entry##*:}" "$directory"
        fi
    done
}

# Settings that root wrote before there was a package: the services read them as their own user. Modes stay.
hand_over_settings() {
    for file in /etc/tedge/tedge.toml /etc/tedge/system.toml /etc/tedge/secrets.toml /etc/tedge/tedge-p11-server.toml \
        /etc/tedge/mappers/*/mapper.toml; do
        if [ -f "$file" ] && [ ! -L "$file" ] && [ ! -L "${file%/*}" ] && [ ! -L /etc/tedge/mappers ] &&
            [ "$(stat -c %u "$file")" = 0 ]; then
            chown --no-dereference tedge:tedge "$file"
        fi
    done
}
