# thin-edge.io's mappers that left the cloud to our bridge (tedge-hsm connect) have their own again.
hand_back_mappers() {
    for file in /etc/systemd/system/tedge-mapper-*.service.d/tedge-hsm.conf; do
        [ -f "$file" ] || continue
        rm -f "$file"
        directory=${file%/*}
        rmdir --ignore-fail-on-non-empty "$directory"
        if systemd_runs; then
            reload_systemd
            unit=${directory##*/}
            restart_running "${unit%.d}"
        fi
    done
}
