# bash completion for rollcall. Made from the command line's parser by tests/tools/command_docs.py.
_rollcall() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=
    COMPREPLY=()
    case $before in
        --ca-cert | --cacert | --cert | --client-cert | --client-key | --config | --key | --password-file | --run-dir | --state-dir)
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return
            ;;
        --health) words='passing warning critical drain' ;;
        *)
            case ${COMP_WORDS[1]-} in
                register) words='-h --help --config --run-dir --check' ;;
                render) words='-h --help --config --run-dir --state-dir --once --check --diff' ;;
                status) words='-h --help --json --run-dir' ;;
                nodes) words='-h --help --all --json --role --dc --service --tag --name --health --maintenance --no-maintenance --serving --allow-unleased --config --endpoints --discovery-srv --ca-cert --cacert --client-cert --cert --client-key --key --tls-server-name --user --timeout --discovery-srv-insecure --insecure-discovery --password-file --prefix --layout --state-prefix' ;;
                watch) words='-h --help --json --role --dc --service --tag --name --health --maintenance --no-maintenance --serving --allow-unleased --config --endpoints --discovery-srv --ca-cert --cacert --client-cert --cert --client-key --key --tls-server-name --user --timeout --discovery-srv-insecure --insecure-discovery --password-file --prefix --layout --state-prefix' ;;
                maintenance) words='-h --help on off --node --reason --by --for --until --config --endpoints --discovery-srv --ca-cert --cacert --client-cert --cert --client-key --key --tls-server-name --user --timeout --discovery-srv-insecure --insecure-discovery --password-file --prefix --layout --state-prefix' ;;
                *) words='register render status nodes watch maintenance --help --version' ;;
            esac
            ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _rollcall rollcall
