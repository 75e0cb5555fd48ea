# mosquitto reads include_dir in its main file only: the same line in a file of conf.d is ignored without a word.
mosquitto_file() {
    readlink -e /etc/mosquitto/mosquitto.conf || true
}

our_line='^[[:space:]]*include_dir[[:space:]]+/etc/tedge/mosquitto-conf/?[[:space:]]*$'

# A file that cannot be written does not end the installation.
tell_by_hand() {
    echo "$file could not be written: its line 'include_dir /etc/tedge/mosquitto-conf' is to be $1 by hand." >&2
}

# A mount point, as in containers, cannot be replaced: it is written in place.
take_new() {
    if mv "$file.tedge-new" "$file" 2>/dev/null; then return 0; fi
    { cat "$file.tedge-new" >"$file"; } 2>/dev/null || tell_by_hand "$1"
    rm -f "$file.tedge-new"
}

# Before the first include_dir: per_listener_settings has to come before every listener.
add_include() {
    file=$(mosquitto_file)
    if [ -z "$file" ] || grep -Eq "$our_line" "$file"; then return 0; fi
    if ! cp -p "$file" "$file.tedge-new" 2>/dev/null; then tell_by_hand added && return 0; fi
    awk '
        !done && /^[[:space:]]*include_dir[[:space:]]/ { print "include_dir /etc/tedge/mosquitto-conf"; done = 1 }
        { print }
        END { if (!done) print "include_dir /etc/tedge/mosquitto-conf" }
    ' "$file" >"$file.tedge-new"
    take_new added
}

remove_include() {
    file=$(mosquitto_file)
    if [ -z "$file" ] || ! grep -Eq "$our_line" "$file"; then return 0; fi
    if ! cp -p "$file" "$file.tedge-new" 2>/dev/null; then tell_by_hand removed && return 0; fi
    grep -Ev "$our_line" "$file" >"$file.tedge-new" || true # nothing left is no error
    take_new removed
}

# Ubuntu's AppArmor keeps mosquitto out of /etc/tedge.
profile=/etc/apparmor.d/usr.sbin.mosquitto
local_rules=/etc/apparmor.d/local/usr.sbin.mosquitto
our_rules='include "/usr/share/tedge-actors/apparmor"'

reload_profile() {
    if command -v apparmor_parser >/dev/null && [ -d /sys/kernel/security/apparmor ]; then
        apparmor_parser --replace --skip-cache "$profile" || true
    fi
}

allow_in_apparmor() {
    if [ ! -f "$profile" ] || grep -Fqsx "$our_rules" "$local_rules"; then return 0; fi
    mkdir -p "${local_rules%/*}"
    echo "$our_rules" >>"$local_rules"
    reload_profile
}

# Before the file it names is gone: a profile with a missing include does not load.
forget_in_apparmor() {
    if ! grep -Fqsx "$our_rules" "$local_rules"; then return 0; fi
    sed -i "\\|^$our_rules\$|d" "$local_rules"
    reload_profile
}
