systemd_runs() {
    [ -d /run/systemd/system ]
}

# Enabled at the first installation only: after that the admin's word counts.
enable_socket() {
    deb-systemd-helper unmask tedge-p11-server.socket >/dev/null || true
    if deb-systemd-helper --quiet was-enabled tedge-p11-server.socket; then
        deb-systemd-helper enable tedge-p11-server.socket >/dev/null || true
    else
        deb-systemd-helper update-state tedge-p11-server.socket >/dev/null || true
    fi
}

# Units of ours that run, the signing service first: the others wait for it meanwhile.
running_units() {
    systemctl list-units --plain --no-legend --state=active,activating,reloading --type=service,socket "$@" | cut -d ' ' -f 1
}

restart_running() {
    for unit in $(running_units "$@"); do
        deb-systemd-invoke try-restart "$unit" || echo "$unit could not be restarted: see journalctl -u $unit" >&2
    done
}

stop_running() {
    for unit in $(running_units "$@"); do
        deb-systemd-invoke stop "$unit" || true
    done
}

reload_systemd() {
    systemctl --system daemon-reload >/dev/null || true
}
