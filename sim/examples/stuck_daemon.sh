# Shared functions for plays of the real daemon: source this file, do not run it. Eight scripts that hang and ignore
# SIGTERM, tracked by one instance, for a daemon in its own namespaces. `work` is the sourcing script's folder.

# make_stuck FOLDER INTERVAL TIMEOUT: writes the script and the configuration, as FOLDER/stuck and FOLDER/conf.
make_stuck() {
    cat > "$1/stuck" <<'SCRIPT'
#!/bin/sh
trap '' TERM
exec sleep 1000
SCRIPT
    chmod 755 "$1" "$1/stuck"
    {
        printf 'global_defs {\n    script_user root\n    dynamic_interfaces\n}\n'
        for n in 0 1 2 3 4 5 6 7; do
            printf 'vrrp_script stuck%s {\n    script "%s/stuck"\n    interval %s\n    timeout %s\n}\n' $n "$1" "$2" "$3"
        done
        printf 'vrrp_instance one {\n    state BACKUP\n    interface treefall0\n    virtual_router_id 1\n    priority 100\n'
        printf '    track_script {\n'
        printf '        stuck%s\n' 0 1 2 3 4 5 6 7
        printf '    }\n}\n'
    } > "$1/conf"
}

# play END COMMAND ..: starts the command in its own namespaces, with its output in the file END. `wait` waits for it.
players=
play() {
    end=$1
    shift
    userns=
    [ "$(id -u)" = 0 ] || userns=-Ur
    unshare $userns -nmpf --mount-proc --kill-child "$@" > "$end" 2>&1 &
    players="$players $!"
}

# At the end and on Ctrl-C: ends all processes and removes the folder. unshare ignores gentler signals than SIGKILL;
# its namespaces end with it.
tidy_up() {
    trap 'kill -KILL $players 2>/dev/null || true; rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
}
