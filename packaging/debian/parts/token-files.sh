# Tokens that the services may not use, with the command that hands them over: owner or group, and the drop-in that opens the
# sandbox of the unit. It is not run here: they may be another program's.
tell_closed_tokens() {
    unit=tedge-p11-server.service
    [ -e "${DPKG_ROOT:-}/usr/lib/systemd/system/$unit" ] || unit=tedge-bridge-c8y.service
    softhsm=$(variable_of_services SOFTHSM2_CONF)
    softhsm=$(sed -n 's/^[[:space:]]*directories\.tokendir[[:space:]]*=[[:space:]]*//p' "${DPKG_ROOT:-}${softhsm:-/etc/softhsm/softhsm2.conf}" 2>/dev/null || true)
    tell_closed_store softhsm2 softhsm "${softhsm:-/var/lib/softhsm/tokens}"
    tpm=$(variable_of_services TPM2_PKCS11_STORE)
    tell_closed_store tpm2 tedge "${tpm:-/etc/tedge/hsm}"
    tell_closed_tpm
}

# What the environment file of the services gives it.
variable_of_services() {
    sed -n "s/^[[:space:]]*$1=//p" "${DPKG_ROOT:-}/etc/tedge/plugins/tedge-p11-server.conf" 2>/dev/null | tail -n 1 | tr -d "\"'"
}

# Drop-in, group, store.
tell_closed_store() {
    [ -n "$(find "${DPKG_ROOT:-}$3" -mindepth 1 -print -quit 2>/dev/null)" ] || return 0
    command=
    if [ -n "$(as_tedge find "${DPKG_ROOT:-}$3" -mindepth 1 ! -writable -print -quit 2>&1)" ]; then
        command="chown -R tedge:$2 $3"
    fi
    open_sandbox "$1"
    case "$3/" in
    /var/lib/softhsm/* | /etc/tedge/hsm/*) ;;
    *)
        # The drop-in opens the usual place only.
        if [ ! -e "${DPKG_ROOT:-}/etc/systemd/system/$unit.d/$1-store.conf" ]; then
            also "printf '[Service]\\nReadWritePaths=-$3\\n' >/etc/systemd/system/$unit.d/$1-store.conf"
        fi
        ;;
    esac
    tell_command "$3"
}

tell_closed_tpm() {
    node=${DPKG_ROOT:-}/dev/tpmrm0
    [ -e "$node" ] || return 0
    command=
    if ! as_tedge test -r "$node" -a -w "$node"; then
        case "$(stat -c %G:%a "$node")" in
        # Membership of root's group would hand over far more, and a group without rights nothing.
        root:* | *:?[!67]?)
            command="echo 'SUBSYSTEM==\"tpmrm\", GROUP=\"tss\", MODE=\"0660\"' >/etc/udev/rules.d/70-tedge-tpm.rules && udevadm control --reload && udevadm trigger -c add -s tpmrm"
            ;;
        *) command="usermod -aG $(stat -c %G "$node") tedge" ;;
        esac
    elif [ -z "$(variable_of_services TPM2_PKCS11_STORE)" ]; then
        # A TPM that nothing here uses stays out of reach.
        return 0
    fi
    open_sandbox tpm2
    tell_command /dev/tpmrm0
}

# Adds what installs a drop-in that is not there.
open_sandbox() {
    [ ! -e "${DPKG_ROOT:-}/etc/systemd/system/$unit.d/$1.conf" ] || return 0
    for drop_in in "${DPKG_ROOT:-}"/usr/share/tedge-actors*/drop-ins/"$1".conf; do
        [ -e "$drop_in" ] || continue
        also "install -D -m 644 ${drop_in#"${DPKG_ROOT:-}"} /etc/systemd/system/$unit.d/$1.conf"
        return 0
    done
}

also() {
    command="${command:+$command && }$1"
}

tell_command() {
    if [ -n "$command" ]; then
        printf '%s\n' "The services, with 'tedge' as their user, may not use $1: $command && systemctl daemon-reload && systemctl try-restart $unit" >&2
    fi
}

as_tedge() {
    setpriv --reuid=tedge --regid=tedge --init-groups -- "$@"
}
