/**
 * The completion scripts of the shells: they call `tedge`, which knows its commands, the settings and the profiles of this
 * device.
 *
 * `tedge __complete -- WORD…` (the last word is being typed) prints lines `word<TAB>description`; the line `:files`
 * adds file names.
 */

export const shellScripts: Readonly<Record<"bash" | "zsh" | "fish", string>> = {
  bash: `# tedge: completions for bash
_tedge() {
  local line="\${COMP_LINE:0:COMP_POINT}" word rest IFS=$' \\t\\n'
  local -a words=()
  read -ra words <<< "$line"
  [[ "$line" == *[[:blank:]] ]] && words+=("")
  word="\${words[\${#words[@]}-1]}"
  # Bash breaks words at = and : as well, and replaces the last piece only.
  rest="\${word%"\${word##*[=:]}"}"
  COMPREPLY=()
  local candidate
  while IFS=$'\\t' read -r candidate _; do
    if [[ "$candidate" == ":files" ]]; then compopt -o default 2>/dev/null; continue; fi
    [[ "$candidate" == *= ]] && compopt -o nospace 2>/dev/null
    COMPREPLY+=("\${candidate#"$rest"}")
  done < <("\${words[0]}" __complete -- "\${words[@]:1}" 2>/dev/null)
}
complete -F _tedge tedge
`,
  zsh: `#compdef tedge
# tedge: completions for zsh
_tedge() {
  local line word
  local -a candidates shown
  for line in "\${(@f)$("\${(Q)words[1]}" __complete -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -n "$line" ]] || continue
    if [[ "$line" == ":files" ]]; then _files; continue; fi
    word="\${line%%$'\\t'*}"
    candidates+=("$word")
    shown+=("\${word}  -- \${line#*$'\\t'}")
  done
  (( $#candidates )) && compadd -l -d shown -a candidates
}
if (( $+functions[compdef] )); then compdef _tedge tedge; fi
`,
  fish: `# tedge: completions for fish
function __tedge_complete
    set -l before (commandline -opc)
    set -l word (commandline -ct)
    for line in ($before[1] __complete -- $before[2..-1] "$word" 2>/dev/null)
        if test "$line" = ":files"
            __fish_complete_path "$word"
        else
            echo $line
        end
    end
end
complete -c tedge -f
complete -c tedge -a '(__tedge_complete)'
`
}

/** For `tedge` under another name: its functions are renamed, so that they do not replace those of another `tedge`. */
export const shellScript = (shell: keyof typeof shellScripts, command: string): string =>
  shellScripts[shell]
    .replaceAll(/_tedge(?=\b|_complete)/g, `_${command.replaceAll("-", "_")}`)
    .replaceAll(/\btedge\b/g, command)
