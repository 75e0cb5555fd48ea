# The services' user, in the groups that Debian's packages give tokens to. Membership is given once: an admin may take it away.
make_account() {
    for group in tedge softhsm tss; do
        getent group "$group" >/dev/null || groupadd --system "$group"
    done
    getent passwd tedge >/dev/null ||
        useradd --system --gid tedge --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin \
            --comment 'thin-edge.io' tedge
    if [ "$1" = first ]; then
        usermod --append --groups softhsm,tss tedge
    fi
}
