# Bundles compiled for the Node that is there: programs start faster. Without them they start all the same.
write_code_cache() {
    node=/usr/lib/tedge-actors-node/bin/node
    [ -x "$node" ] || node=/usr/bin/node
    "$node" "/usr/lib/$DPKG_MAINTSCRIPT_PACKAGE/bin/write-code-cache.js" || true
}

remove_code_cache() {
    rm -f "/usr/lib/$DPKG_MAINTSCRIPT_PACKAGE"/dist/*.cache
}
