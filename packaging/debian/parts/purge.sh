# Another package of the device uses the same configuration directory.
others_use_settings() {
    for package in tedge tedge-mapper tedge-agent tedge-p11-server tedge-actors tedge-actors-bridge tedge-actors-p11-server; do
        [ "$package" != "$DPKG_MAINTSCRIPT_PACKAGE" ] || continue
        case "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" in
        installed | unpacked | half-* | triggers-*) return 0 ;;
        esac
    done
    return 1
}

# Settings, marks and logs go; keys and certificates stay, in tokens and in files: they cannot be made again.
purge_settings() {
    if others_use_settings; then return 0; fi
    rm -rf --one-file-system /etc/tedge/mosquitto-conf /etc/tedge/mappers /etc/tedge/plugins \
        /run/tedge-pin-latch /run/tedge-actors /run/tedge-actors-root /var/log/tedge /var/lib/tedge-p11-server
    rm -f /etc/tedge/tedge.toml /etc/tedge/tedge.toml.lock /etc/tedge/tedge.toml.bak /etc/tedge/system.toml \
        /etc/tedge/secrets.toml /etc/tedge/tedge-p11-server.toml /etc/tedge/.connected-machine
    for directory in /etc/tedge/hsm /etc/tedge/device-certs /etc/tedge; do
        if [ -d "$directory" ] && ! rmdir --ignore-fail-on-non-empty "$directory"; then return 0; fi
    done
    if [ -d /etc/tedge ]; then
        echo "Kept in /etc/tedge: $(ls -A /etc/tedge | tr '\n' ' '): keys and certificates, which no command can make again." >&2
    fi
}

# What `tedge connect` enabled has no unit any more.
forget_enabled() {
    find /etc/systemd/system -maxdepth 2 -type l \( "$@" \) -delete 2>/dev/null || true
}
