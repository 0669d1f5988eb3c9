# bash completion for readyd
# Made from the table of flags: UPDATE_DOCS=1 cargo test --lib --bin readyc documented

_readyd() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    # COMP_WORDBREAKS has =, so --flag=value is three words.
    if [[ $prev == = ]]; then
        prev=${COMP_WORDS[COMP_CWORD-2]}
    elif [[ $cur == = ]]; then
        cur=
    fi
    COMPREPLY=()
    case $prev in
    --listen) compopt -o nospace; mapfile -t COMPREPLY < <(compgen -W "framed= daytime= time= echo= discard= chargen= greeting= lookup= exchange= metrics=" -- "$cur"); return ;;
    --shards) mapfile -t COMPREPLY < <(compgen -W "auto" -- "$cur"); return ;;
    --user) mapfile -t COMPREPLY < <(compgen -u -- "$cur"); return ;;
    --sandbox) mapfile -t COMPREPLY < <(compgen -W "require try off" -- "$cur"); return ;;
    --table) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --table-order) mapfile -t COMPREPLY < <(compgen -W "key-value value-key" -- "$cur"); return ;;
    --config) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --log) mapfile -t COMPREPLY < <(compgen -W "off error warn info debug trace" -- "$cur"); return ;;
    --trace) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --trace-addresses) mapfile -t COMPREPLY < <(compgen -W "full hash" -- "$cur"); return ;;
    --capture) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --backlog |\
        --tcp-keepalive |\
        --tcp-user-timeout |\
        --shard-timeout |\
        --ready-fd |\
        --table-limit |\
        --max-connections |\
        --max-connections-per-address |\
        --accept-rate-per-address |\
        --tls-handshake-rate |\
        --allow |\
        --deny |\
        --stats-from |\
        --memory-limit |\
        --max-frame |\
        --output-limit |\
        --frame-timeout |\
        --idle-timeout |\
        --write-timeout |\
        --drain-timeout |\
        --drain-delay |\
        --exit-on-idle |\
        --health |\
        --log-rate |\
        --trace-on)
        return ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "
        --listen --reuse-port --print-addresses --backlog --tcp-keepalive
        --tcp-user-timeout --shards --shard-timeout --user --sandbox
        --ready-fd --table --table-order --table-limit --utc
        --max-connections --max-connections-per-address --accept-rate-per-address --tls-handshake-rate --allow
        --deny --stats-from --memory-limit --max-frame --output-limit
        --frame-timeout --idle-timeout --write-timeout --drain-timeout --drain-delay
        --exit-on-idle --config --health --check-config --check-sandbox
        --log --log-rate --trace --trace-on --trace-addresses
        --capture -h --help -V --version
    " -- "$cur")
}
complete -F _readyd readyd
