# zsh offers.zsh FOLDER LINE: what Tab offers behind LINE, each on a line "offer WORD", then "end of offers".
# An interactive zsh on a terminal of its own has the completions of FOLDER.
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "fpath=(${(q)1} \$fpath); autoload -Uz compinit; compinit -D -u
compadd() {
    if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd \"\$@\"; return; fi
    local -a offers; builtin compadd -A offers \"\$@\"
    (( \$#offers )) && printf 'offer %s\\n' \$offers
    builtin compadd \"\$@\"
}
show() { _main_complete; print; print 'end of' offers }
zle -C show complete-word show; bindkey '^I' show; print now 'it listens'"
local line
while zpty -r shell line && [[ $line != *"now it listens"* ]]; do :; done
zpty -w -n shell "$2"$'\t'
while zpty -r shell line; do
    print -r -- ${line//$'\r'/}
    [[ $line == *"end of offers"* ]] && break
done
zpty -d shell
