# Tokens that the services' user may not use, with the command that hands them over. It is not run here: they may be another program's.
tell_closed_tokens() {
    for entry in /var/lib/softhsm/tokens:softhsm /etc/tedge/hsm:tedge; do
        store=${entry%:*}
        if [ -d "$store" ] && [ -n "$(as_tedge find "$store" -mindepth 1 ! -writable -print -quit 2>&1)" ]; then
            echo "'tedge', the services' user, may not use all tokens in $store: chown -R tedge:${entry##*:} $store" >&2
        fi
    done
    if [ -e /dev/tpmrm0 ] && ! as_tedge test -w /dev/tpmrm0; then
        echo "'tedge', the services' user, may not use /dev/tpmrm0: usermod -aG $(stat -c %G /dev/tpmrm0) tedge" >&2
    fi
}

as_tedge() {
    setpriv --reuid=tedge --regid=tedge --init-groups -- "$@"
}
