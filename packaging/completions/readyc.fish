# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_readyc_global_optspecs
    string join \n server= connect-timeout= t/timeout= tls ca= cert= tls-key= servername= h/help V/version
end

function __fish_readyc_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_readyc_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_readyc_using_subcommand
    set -l cmd (__fish_readyc_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c readyc -n "__fish_readyc_needs_command" -l server -d 'or unix:/PATH [default: 127.0.0.1:9999]' -r
complete -c readyc -n "__fish_readyc_needs_command" -l connect-timeout -d 'Time limit to connect [default: 5s]' -r
complete -c readyc -n "__fish_readyc_needs_command" -s t -l timeout -d 'For each answer [default: 30s; bench: 5s]' -r
complete -c readyc -n "__fish_readyc_needs_command" -l ca -d 'Authorities of the server\'s certificate' -r -F
complete -c readyc -n "__fish_readyc_needs_command" -l cert -d 'Certificate to show, with --tls-key' -r -F
complete -c readyc -n "__fish_readyc_needs_command" -l tls-key -d 'Key of --cert' -r -F
complete -c readyc -n "__fish_readyc_needs_command" -l servername -d 'Name in the server\'s certificate' -r
complete -c readyc -n "__fish_readyc_needs_command" -l tls -d 'Encrypt connections'
complete -c readyc -n "__fish_readyc_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c readyc -n "__fish_readyc_needs_command" -s V -l version -d 'Print version'
complete -c readyc -n "__fish_readyc_needs_command" -f -a "echo" -d 'Send a text and print the echo'
complete -c readyc -n "__fish_readyc_needs_command" -f -a "daytime" -d 'Print the server\'s date and time'
complete -c readyc -n "__fish_readyc_needs_command" -f -a "lookup" -d 'Print the value of each key'
complete -c readyc -n "__fish_readyc_needs_command" -f -a "whoami" -d 'Print this client\'s address as the server sees it'
complete -c readyc -n "__fish_readyc_needs_command" -f -a "stats" -d 'Print the server\'s counters, or watch their rates per second'
complete -c readyc -n "__fish_readyc_needs_command" -f -a "top" -d 'Watch the server\'s connections, rates and loop on a screen'
complete -c readyc -n "__fish_readyc_needs_command" -f -a "bench" -d 'Load-test a TCP server; report throughput, latency, and whether the numbers can be trusted'
complete -c readyc -n "__fish_readyc_needs_command" -f -a "doctor" -d 'Check whether this machine can open N connections'
complete -c readyc -n "__fish_readyc_needs_command" -f -a "send" -d 'Send messages and print the replies'
complete -c readyc -n "__fish_readyc_needs_command" -f -a "exchange" -d 'Use an exchange service: print its date and its reply'
complete -c readyc -n "__fish_readyc_needs_command" -f -a "sync" -d 'Estimate the offset of the server\'s clock from ours'
complete -c readyc -n "__fish_readyc_needs_command" -f -a "compare" -d 'Compare the reports of two load tests'
complete -c readyc -n "__fish_readyc_needs_command" -f -a "merge" -d 'Merge the reports of several machines into one'
complete -c readyc -n "__fish_readyc_needs_command" -f -a "trace" -d 'Print what a server\'s loop did, from a trace that readyd wrote'
complete -c readyc -n "__fish_readyc_needs_command" -f -a "replay" -d 'Run the server again over a capture that readyd wrote'
complete -c readyc -n "__fish_readyc_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c readyc -n "__fish_readyc_using_subcommand echo" -l sessions -d 'Sessions at the same time' -r
complete -c readyc -n "__fish_readyc_using_subcommand echo" -l repeat -d 'How often each session repeats it' -r
complete -c readyc -n "__fish_readyc_using_subcommand echo" -l server -d 'or unix:/PATH [default: 127.0.0.1:9999]' -r
complete -c readyc -n "__fish_readyc_using_subcommand echo" -l connect-timeout -d 'Time limit to connect [default: 5s]' -r
complete -c readyc -n "__fish_readyc_using_subcommand echo" -s t -l timeout -d 'Time limit for each answer [default: 30s]' -r
complete -c readyc -n "__fish_readyc_using_subcommand echo" -l ca -d 'Authorities of the server\'s certificate' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand echo" -l cert -d 'Certificate to show, with --tls-key' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand echo" -l tls-key -d 'Key of --cert' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand echo" -l servername -d 'Name in the server\'s certificate' -r
complete -c readyc -n "__fish_readyc_using_subcommand echo" -l plain -d 'Use a plain echo service (RFC 862)'
complete -c readyc -n "__fish_readyc_using_subcommand echo" -l tls -d 'Encrypt connections'
complete -c readyc -n "__fish_readyc_using_subcommand echo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c readyc -n "__fish_readyc_using_subcommand daytime" -l format -d 'ctime, dmy, rfc3339, rfc2822, unix [default: ctime]' -r -f -a "ctime\t''
dmy\t''
rfc3339\t''
rfc2822\t''
unix\t''"
complete -c readyc -n "__fish_readyc_using_subcommand daytime" -l ack -d 'Acknowledge the date with TEXT (needs --plain)' -r
complete -c readyc -n "__fish_readyc_using_subcommand daytime" -l sessions -d 'Sessions at the same time' -r
complete -c readyc -n "__fish_readyc_using_subcommand daytime" -l repeat -d 'How often each session repeats it' -r
complete -c readyc -n "__fish_readyc_using_subcommand daytime" -l server -d 'or unix:/PATH [default: 127.0.0.1:9999]' -r
complete -c readyc -n "__fish_readyc_using_subcommand daytime" -l connect-timeout -d 'Time limit to connect [default: 5s]' -r
complete -c readyc -n "__fish_readyc_using_subcommand daytime" -s t -l timeout -d 'Time limit for each answer [default: 30s]' -r
complete -c readyc -n "__fish_readyc_using_subcommand daytime" -l ca -d 'Authorities of the server\'s certificate' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand daytime" -l cert -d 'Certificate to show, with --tls-key' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand daytime" -l tls-key -d 'Key of --cert' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand daytime" -l servername -d 'Name in the server\'s certificate' -r
complete -c readyc -n "__fish_readyc_using_subcommand daytime" -l plain -d 'Use a plain daytime service (RFC 867)'
complete -c readyc -n "__fish_readyc_using_subcommand daytime" -l tls -d 'Encrypt connections'
complete -c readyc -n "__fish_readyc_using_subcommand daytime" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c readyc -n "__fish_readyc_using_subcommand lookup" -l ack -d 'Acknowledge the last answer with TEXT (needs --plain)' -r
complete -c readyc -n "__fish_readyc_using_subcommand lookup" -l sessions -d 'Sessions at the same time' -r
complete -c readyc -n "__fish_readyc_using_subcommand lookup" -l repeat -d 'How often each session repeats it' -r
complete -c readyc -n "__fish_readyc_using_subcommand lookup" -l server -d 'or unix:/PATH [default: 127.0.0.1:9999]' -r
complete -c readyc -n "__fish_readyc_using_subcommand lookup" -l connect-timeout -d 'Time limit to connect [default: 5s]' -r
complete -c readyc -n "__fish_readyc_using_subcommand lookup" -s t -l timeout -d 'Time limit for each answer [default: 30s]' -r
complete -c readyc -n "__fish_readyc_using_subcommand lookup" -l ca -d 'Authorities of the server\'s certificate' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand lookup" -l cert -d 'Certificate to show, with --tls-key' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand lookup" -l tls-key -d 'Key of --cert' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand lookup" -l servername -d 'Name in the server\'s certificate' -r
complete -c readyc -n "__fish_readyc_using_subcommand lookup" -l plain -d 'Use a plain lookup service'
complete -c readyc -n "__fish_readyc_using_subcommand lookup" -l lines -d 'Send and receive lines, without pauses'
complete -c readyc -n "__fish_readyc_using_subcommand lookup" -l tls -d 'Encrypt connections'
complete -c readyc -n "__fish_readyc_using_subcommand lookup" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c readyc -n "__fish_readyc_using_subcommand whoami" -l server -d 'or unix:/PATH [default: 127.0.0.1:9999]' -r
complete -c readyc -n "__fish_readyc_using_subcommand whoami" -l connect-timeout -d 'Time limit to connect [default: 5s]' -r
complete -c readyc -n "__fish_readyc_using_subcommand whoami" -s t -l timeout -d 'Time limit for each answer [default: 30s]' -r
complete -c readyc -n "__fish_readyc_using_subcommand whoami" -l ca -d 'Authorities of the server\'s certificate' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand whoami" -l cert -d 'Certificate to show, with --tls-key' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand whoami" -l tls-key -d 'Key of --cert' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand whoami" -l servername -d 'Name in the server\'s certificate' -r
complete -c readyc -n "__fish_readyc_using_subcommand whoami" -l plain -d 'Use a plain greeting service instead of a framed one'
complete -c readyc -n "__fish_readyc_using_subcommand whoami" -l tls -d 'Encrypt connections'
complete -c readyc -n "__fish_readyc_using_subcommand whoami" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c readyc -n "__fish_readyc_using_subcommand stats" -l watch -d 'Print a line of rates every DURATION' -r
complete -c readyc -n "__fish_readyc_using_subcommand stats" -l count -d 'Lines to print with --watch [default: no end]' -r
complete -c readyc -n "__fish_readyc_using_subcommand stats" -l server -d 'or unix:/PATH [default: 127.0.0.1:9999]' -r
complete -c readyc -n "__fish_readyc_using_subcommand stats" -l connect-timeout -d 'Time limit to connect [default: 5s]' -r
complete -c readyc -n "__fish_readyc_using_subcommand stats" -s t -l timeout -d 'Time limit for each answer [default: 30s]' -r
complete -c readyc -n "__fish_readyc_using_subcommand stats" -l ca -d 'Authorities of the server\'s certificate' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand stats" -l cert -d 'Certificate to show, with --tls-key' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand stats" -l tls-key -d 'Key of --cert' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand stats" -l servername -d 'Name in the server\'s certificate' -r
complete -c readyc -n "__fish_readyc_using_subcommand stats" -s j -l json -d 'Print JSON'
complete -c readyc -n "__fish_readyc_using_subcommand stats" -l tls -d 'Encrypt connections'
complete -c readyc -n "__fish_readyc_using_subcommand stats" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c readyc -n "__fish_readyc_using_subcommand top" -s i -l interval -d 'Time between two requests [default: 1s]' -r
complete -c readyc -n "__fish_readyc_using_subcommand top" -l server -d 'or unix:/PATH [default: 127.0.0.1:9999]' -r
complete -c readyc -n "__fish_readyc_using_subcommand top" -l connect-timeout -d 'Time limit to connect [default: 5s]' -r
complete -c readyc -n "__fish_readyc_using_subcommand top" -s t -l timeout -d 'Time limit for each answer [default: 30s]' -r
complete -c readyc -n "__fish_readyc_using_subcommand top" -l ca -d 'Authorities of the server\'s certificate' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand top" -l cert -d 'Certificate to show, with --tls-key' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand top" -l tls-key -d 'Key of --cert' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand top" -l servername -d 'Name in the server\'s certificate' -r
complete -c readyc -n "__fish_readyc_using_subcommand top" -l tls -d 'Encrypt connections'
complete -c readyc -n "__fish_readyc_using_subcommand top" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c readyc -n "__fish_readyc_using_subcommand bench" -s c -l connections -d 'Connections that send requests' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -s I -l idle -d 'Additional idle connections' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -s n -l requests -d 'Stop after this many requests' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -s d -l duration -d 'Stop after this long [default: 10s]' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -s R -l rate -d 'Requests per second in all (open loop)' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l step -d 'A ramp, such as 1000:10s,5000:10s' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -s P -l pipeline -d 'Requests in flight per connection' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l warmup -d 'Run this long before measuring' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l goal -d 'Pass or fail: \'p99<5ms,errors<1%\'' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l find -d 'Find the greatest "rate" or "connections"' -r -f -a "rate\t''
connections\t''"
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l find-time -d 'How long --find may take in all' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -s s -l size -d 'Payload, or a range such as 16-1KiB' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l mix -d 'A mix: echo=80,lookup=15,daytime=5' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l key -d 'Key for lookups; repeatable [default: readyd]' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l plain -d 'Use a plain service, such as echo' -r -f -a "echo\t''
discard\t''
daytime\t''
time\t''
chargen\t''
greeting\t''"
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l send -d 'Send TEXT to any TCP server' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l expect -d 'The answer to --send is exactly TEXT' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l expect-bytes -d 'The answer to --send has N bytes' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l until -d 'The answer to --send ends with TEXT' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l greeting -d 'The server speaks first: exactly TEXT' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l greeting-bytes -d 'The server\'s greeting has N bytes' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l greeting-until -d 'The server\'s greeting ends with TEXT' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l seed -d 'Seed of sizes, kinds and jitter' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l server -d 'or unix:/PATH; used if no ADDR is given' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l connect-timeout -d 'Time limit to connect [default: 5s]' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -s t -l timeout -d 'Time limit for each answer [default: 5s]' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l ca -d 'Authorities of the server\'s certificate' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l cert -d 'Certificate to show, with --tls-key' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l tls-key -d 'Key of --cert' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l servername -d 'Name in the server\'s certificate' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l connect-rate -d 'Connections opened per second' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l connect-parallel -d 'Attempts to connect in flight' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l source -d 'Connect from these local addresses' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l lifetime -d 'Replace each after this time, or N requests' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l close -d 'Close by fin or rst, with --lifetime' -r -f -a "fin\t''
rst\t''"
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l backoff -d 'Delay before a lost one is reopened' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l give-up-after -d 'End the run when none was open for this long' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l herd -d 'Every DURATION, all send at once' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l storm -d 'Every DURATION, all reconnect at once' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l slow-readers -d 'Additional connections that read slowly' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l slow-writers -d 'Additional connections that send slowly' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l slow-rate -d 'Bytes per second of each slow one' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l workers -d 'Processes that share the load' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l server-pid -d 'The server\'s process: its CPU time, memory' -r
complete -c readyc -n "__fish_readyc_using_subcommand bench" -s j -l json -d 'Write the report as JSON (-: standard output)' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l csv -d 'Write a line per second as CSV' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l hdr -d 'Write the latency histogram (.hgrm)' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l html -d 'Write the report as an HTML page' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l progress -d 'How progress is shown: auto, lines or none' -r -f -a "auto\t''
lines\t''
none\t''"
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l no-verify -d 'Count answers, but do not check their bytes'
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l tls -d 'Encrypt connections'
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l no-reconnect -d 'Do not reopen lost connections'
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l probe -d 'Probe idle connections with --send'
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l no-probe -d 'Do not probe idle connections'
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l no-busy-wait -d 'Sleep until intended times: less CPU, sent later'
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l force -d 'Run although limits of this machine are too low'
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l no-server-stats -d 'Do not ask the server for STATS'
complete -c readyc -n "__fish_readyc_using_subcommand bench" -l latency -d 'Print the latency distribution in detail'
complete -c readyc -n "__fish_readyc_using_subcommand bench" -s q -l quiet -d 'Print errors only'
complete -c readyc -n "__fish_readyc_using_subcommand bench" -s h -l help -d 'Print help: -h in short, --help in full'
complete -c readyc -n "__fish_readyc_using_subcommand doctor" -s c -l connections -d 'Connections that send requests' -r
complete -c readyc -n "__fish_readyc_using_subcommand doctor" -s I -l idle -d 'Additional idle connections' -r
complete -c readyc -n "__fish_readyc_using_subcommand doctor" -l source -d 'Connect from these local addresses' -r
complete -c readyc -n "__fish_readyc_using_subcommand doctor" -l workers -d 'Processes that share the connections' -r
complete -c readyc -n "__fish_readyc_using_subcommand doctor" -l connect-parallel -d 'Attempts to connect in flight' -r
complete -c readyc -n "__fish_readyc_using_subcommand doctor" -l root -d 'Read the limits below DIR' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand doctor" -l server -d 'or unix:/PATH; used if no ADDR is given' -r
complete -c readyc -n "__fish_readyc_using_subcommand doctor" -s j -l json -d 'Print JSON'
complete -c readyc -n "__fish_readyc_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c readyc -n "__fish_readyc_using_subcommand send" -l server -d 'or unix:/PATH [default: 127.0.0.1:9999]' -r
complete -c readyc -n "__fish_readyc_using_subcommand send" -l connect-timeout -d 'Time limit to connect [default: 5s]' -r
complete -c readyc -n "__fish_readyc_using_subcommand send" -s t -l timeout -d 'Time limit for each answer [default: 30s]' -r
complete -c readyc -n "__fish_readyc_using_subcommand send" -l ca -d 'Authorities of the server\'s certificate' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand send" -l cert -d 'Certificate to show, with --tls-key' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand send" -l tls-key -d 'Key of --cert' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand send" -l servername -d 'Name in the server\'s certificate' -r
complete -c readyc -n "__fish_readyc_using_subcommand send" -l tls -d 'Encrypt connections'
complete -c readyc -n "__fish_readyc_using_subcommand send" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c readyc -n "__fish_readyc_using_subcommand exchange" -l server -d 'or unix:/PATH [default: 127.0.0.1:9999]' -r
complete -c readyc -n "__fish_readyc_using_subcommand exchange" -l connect-timeout -d 'Time limit to connect [default: 5s]' -r
complete -c readyc -n "__fish_readyc_using_subcommand exchange" -s t -l timeout -d 'Time limit for each answer [default: 30s]' -r
complete -c readyc -n "__fish_readyc_using_subcommand exchange" -l ca -d 'Authorities of the server\'s certificate' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand exchange" -l cert -d 'Certificate to show, with --tls-key' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand exchange" -l tls-key -d 'Key of --cert' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand exchange" -l servername -d 'Name in the server\'s certificate' -r
complete -c readyc -n "__fish_readyc_using_subcommand exchange" -l tls -d 'Encrypt connections'
complete -c readyc -n "__fish_readyc_using_subcommand exchange" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c readyc -n "__fish_readyc_using_subcommand sync" -l samples -d 'Requests to send' -r
complete -c readyc -n "__fish_readyc_using_subcommand sync" -l server -d 'or unix:/PATH [default: 127.0.0.1:9999]' -r
complete -c readyc -n "__fish_readyc_using_subcommand sync" -l connect-timeout -d 'Time limit to connect [default: 5s]' -r
complete -c readyc -n "__fish_readyc_using_subcommand sync" -s t -l timeout -d 'Time limit for each answer [default: 30s]' -r
complete -c readyc -n "__fish_readyc_using_subcommand sync" -l ca -d 'Authorities of the server\'s certificate' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand sync" -l cert -d 'Certificate to show, with --tls-key' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand sync" -l tls-key -d 'Key of --cert' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand sync" -l servername -d 'Name in the server\'s certificate' -r
complete -c readyc -n "__fish_readyc_using_subcommand sync" -l tls -d 'Encrypt connections'
complete -c readyc -n "__fish_readyc_using_subcommand sync" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c readyc -n "__fish_readyc_using_subcommand compare" -l label -d 'Name of a side; give it twice' -r
complete -c readyc -n "__fish_readyc_using_subcommand compare" -l html -d 'Also write the comparison as an HTML page' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand compare" -l threshold -d 'Smallest change that counts' -r
complete -c readyc -n "__fish_readyc_using_subcommand compare" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c readyc -n "__fish_readyc_using_subcommand merge" -s o -l output -d 'Write to FILE [default: -, standard output]' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand merge" -l html -d 'Also write the merged report as an HTML page' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand merge" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c readyc -n "__fish_readyc_using_subcommand trace; and not __fish_seen_subcommand_from import diff help" -l pid -d 'Read the trace of this running server' -r
complete -c readyc -n "__fish_readyc_using_subcommand trace; and not __fish_seen_subcommand_from import diff help" -l connection -d 'Only the events of connection N' -r
complete -c readyc -n "__fish_readyc_using_subcommand trace; and not __fish_seen_subcommand_from import diff help" -l between -d 'Only events between these seconds' -r
complete -c readyc -n "__fish_readyc_using_subcommand trace; and not __fish_seen_subcommand_from import diff help" -l slow-turns -d 'Only turns that took this long or longer' -r
complete -c readyc -n "__fish_readyc_using_subcommand trace; and not __fish_seen_subcommand_from import diff help" -l html -d 'Write a page for a browser' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand trace; and not __fish_seen_subcommand_from import diff help" -l perfetto -d 'Write the events for ui.perfetto.dev' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand trace; and not __fish_seen_subcommand_from import diff help" -l why-closed -d 'The last events of each closed connection'
complete -c readyc -n "__fish_readyc_using_subcommand trace; and not __fish_seen_subcommand_from import diff help" -l summary -d 'Print a summary instead'
complete -c readyc -n "__fish_readyc_using_subcommand trace; and not __fish_seen_subcommand_from import diff help" -l follow -d 'Go on when the newest event was printed'
complete -c readyc -n "__fish_readyc_using_subcommand trace; and not __fish_seen_subcommand_from import diff help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c readyc -n "__fish_readyc_using_subcommand trace; and not __fish_seen_subcommand_from import diff help" -a "import" -d 'Show what strace recorded of any program'
complete -c readyc -n "__fish_readyc_using_subcommand trace; and not __fish_seen_subcommand_from import diff help" -a "diff" -d 'Compare two traces of the same work'
complete -c readyc -n "__fish_readyc_using_subcommand trace; and not __fish_seen_subcommand_from import diff help" -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c readyc -n "__fish_readyc_using_subcommand trace; and __fish_seen_subcommand_from import" -l thread -d 'Only the loop of this thread' -r
complete -c readyc -n "__fish_readyc_using_subcommand trace; and __fish_seen_subcommand_from import" -l connection -d 'Only the events of connection N' -r
complete -c readyc -n "__fish_readyc_using_subcommand trace; and __fish_seen_subcommand_from import" -l between -d 'Only events between these seconds' -r
complete -c readyc -n "__fish_readyc_using_subcommand trace; and __fish_seen_subcommand_from import" -l slow-turns -d 'Only turns that took this long or longer' -r
complete -c readyc -n "__fish_readyc_using_subcommand trace; and __fish_seen_subcommand_from import" -l html -d 'Write a page for a browser' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand trace; and __fish_seen_subcommand_from import" -l perfetto -d 'Write the events for ui.perfetto.dev' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand trace; and __fish_seen_subcommand_from import" -l why-closed -d 'The last events of each closed connection'
complete -c readyc -n "__fish_readyc_using_subcommand trace; and __fish_seen_subcommand_from import" -l summary -d 'Print a summary instead'
complete -c readyc -n "__fish_readyc_using_subcommand trace; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c readyc -n "__fish_readyc_using_subcommand trace; and __fish_seen_subcommand_from diff" -l html -d 'Write a page that shows both above each other, where they part, for a browser' -r -F
complete -c readyc -n "__fish_readyc_using_subcommand trace; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c readyc -n "__fish_readyc_using_subcommand trace; and __fish_seen_subcommand_from help" -f -a "import" -d 'Show what strace recorded of any program'
complete -c readyc -n "__fish_readyc_using_subcommand trace; and __fish_seen_subcommand_from help" -f -a "diff" -d 'Compare two traces of the same work'
complete -c readyc -n "__fish_readyc_using_subcommand trace; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c readyc -n "__fish_readyc_using_subcommand replay" -l level -d 'How alike: exact, outcome [default: exact]' -r -f -a "exact\t''
outcome\t''"
complete -c readyc -n "__fish_readyc_using_subcommand replay" -l trace -d 'Write a trace of it to OUT; ,payload adds bytes' -r
complete -c readyc -n "__fish_readyc_using_subcommand replay" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c readyc -n "__fish_readyc_using_subcommand help; and not __fish_seen_subcommand_from echo daytime lookup whoami stats top bench doctor send exchange sync compare merge trace replay help" -f -a "echo" -d 'Send a text and print the echo'
complete -c readyc -n "__fish_readyc_using_subcommand help; and not __fish_seen_subcommand_from echo daytime lookup whoami stats top bench doctor send exchange sync compare merge trace replay help" -f -a "daytime" -d 'Print the server\'s date and time'
complete -c readyc -n "__fish_readyc_using_subcommand help; and not __fish_seen_subcommand_from echo daytime lookup whoami stats top bench doctor send exchange sync compare merge trace replay help" -f -a "lookup" -d 'Print the value of each key'
complete -c readyc -n "__fish_readyc_using_subcommand help; and not __fish_seen_subcommand_from echo daytime lookup whoami stats top bench doctor send exchange sync compare merge trace replay help" -f -a "whoami" -d 'Print this client\'s address as the server sees it'
complete -c readyc -n "__fish_readyc_using_subcommand help; and not __fish_seen_subcommand_from echo daytime lookup whoami stats top bench doctor send exchange sync compare merge trace replay help" -f -a "stats" -d 'Print the server\'s counters, or watch their rates per second'
complete -c readyc -n "__fish_readyc_using_subcommand help; and not __fish_seen_subcommand_from echo daytime lookup whoami stats top bench doctor send exchange sync compare merge trace replay help" -f -a "top" -d 'Watch the server\'s connections, rates and loop on a screen'
complete -c readyc -n "__fish_readyc_using_subcommand help; and not __fish_seen_subcommand_from echo daytime lookup whoami stats top bench doctor send exchange sync compare merge trace replay help" -f -a "bench" -d 'Load-test a TCP server; report throughput, latency, and whether the numbers can be trusted'
complete -c readyc -n "__fish_readyc_using_subcommand help; and not __fish_seen_subcommand_from echo daytime lookup whoami stats top bench doctor send exchange sync compare merge trace replay help" -f -a "doctor" -d 'Check whether this machine can open N connections'
complete -c readyc -n "__fish_readyc_using_subcommand help; and not __fish_seen_subcommand_from echo daytime lookup whoami stats top bench doctor send exchange sync compare merge trace replay help" -f -a "send" -d 'Send messages and print the replies'
complete -c readyc -n "__fish_readyc_using_subcommand help; and not __fish_seen_subcommand_from echo daytime lookup whoami stats top bench doctor send exchange sync compare merge trace replay help" -f -a "exchange" -d 'Use an exchange service: print its date and its reply'
complete -c readyc -n "__fish_readyc_using_subcommand help; and not __fish_seen_subcommand_from echo daytime lookup whoami stats top bench doctor send exchange sync compare merge trace replay help" -f -a "sync" -d 'Estimate the offset of the server\'s clock from ours'
complete -c readyc -n "__fish_readyc_using_subcommand help; and not __fish_seen_subcommand_from echo daytime lookup whoami stats top bench doctor send exchange sync compare merge trace replay help" -f -a "compare" -d 'Compare the reports of two load tests'
complete -c readyc -n "__fish_readyc_using_subcommand help; and not __fish_seen_subcommand_from echo daytime lookup whoami stats top bench doctor send exchange sync compare merge trace replay help" -f -a "merge" -d 'Merge the reports of several machines into one'
complete -c readyc -n "__fish_readyc_using_subcommand help; and not __fish_seen_subcommand_from echo daytime lookup whoami stats top bench doctor send exchange sync compare merge trace replay help" -f -a "trace" -d 'Print what a server\'s loop did, from a trace that readyd wrote'
complete -c readyc -n "__fish_readyc_using_subcommand help; and not __fish_seen_subcommand_from echo daytime lookup whoami stats top bench doctor send exchange sync compare merge trace replay help" -f -a "replay" -d 'Run the server again over a capture that readyd wrote'
complete -c readyc -n "__fish_readyc_using_subcommand help; and not __fish_seen_subcommand_from echo daytime lookup whoami stats top bench doctor send exchange sync compare merge trace replay help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c readyc -n "__fish_readyc_using_subcommand help; and __fish_seen_subcommand_from trace" -f -a "import" -d 'Show what strace recorded of any program'
complete -c readyc -n "__fish_readyc_using_subcommand help; and __fish_seen_subcommand_from trace" -f -a "diff" -d 'Compare two traces of the same work'
