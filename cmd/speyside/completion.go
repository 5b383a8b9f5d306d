package main

import (
	"fmt"
	"strings"

	"speyside.dev/speyside/internal/fault"
)

const completionAbout = `For bash, in ~/.bashrc:     source <(speyside completion bash)
For zsh, in ~/.zshrc, after compinit:
                            source <(speyside completion zsh)
For fish, once:             speyside completion fish > \
                              ~/.config/fish/completions/speyside.fish`

// shells are those that there is a completion for.
func shells() []string { return []string{"bash", "zsh", "fish"} }

// completionCommand prints a shell's completion. It is made of the table of commands and that of settings.
func completionCommand(c *call) error {
	if len(c.args) == 1 && (c.args[0] == "-h" || c.args[0] == "--help") {
		return c.help()
	}
	if len(c.args) != 1 {
		return fault.New(fault.Usage, "speyside completion takes one shell, %s", c.command.arguments)
	}
	switch shell := c.args[0]; shell {
	case "bash":
		fmt.Fprint(c.stdout, bashCompletion(commands()))
	case "zsh":
		fmt.Fprint(c.stdout, zshCompletion(commands()))
	case "fish":
		fmt.Fprint(c.stdout, fishCompletion(commands()))
	default:
		return fault.New(fault.Usage, "there is no completion for %s", printable(shell)).WithHint("there is one for bash, zsh and fish.")
	}
	return nil
}

// serves reports whether the argument of the command is an application.
func (c *command) serves() bool { return strings.HasSuffix(strings.Trim(c.arguments, "[]"), "APP") }

// wordsOf are what the argument of the command can be, where they are known.
func (c *command) wordsOf() []string {
	if c.words == nil {
		return nil
	}
	return c.words()
}

const bashBegin = `# Completion of speyside for bash, as speyside completion bash prints it.
_speyside() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=serve flags= words= app=
    COMPREPLY=()
    if [[ $cur == = ]]; then # bash makes a word of it
        cur=
    elif [[ $prev == = ]]; then
        prev=${COMP_WORDS[COMP_CWORD-2]}
    fi
    case ${COMP_WORDS[1]} in
    %s) ((COMP_CWORD > 1)) && command=${COMP_WORDS[1]} ;;
    esac
    case $command in
`

const bashEnd = `    esac
    ((COMP_CWORD == 1)) && words='%s'
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$cur")
        return
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur"
        [[ $app ]] && compgen -f -X '!*.py' -- "$cur" && compopt -o filenames
        [[ $app ]] && compgen -f -X '!*.wsgi' -- "$cur"
        [[ $app ]] && compgen -d -- "$cur")
    [[ $app ]] && compopt -o filenames
}
complete -F _speyside speyside
`

func bashCompletion(all []command) string {
	var b strings.Builder
	names := commandNamesOf(all)
	fmt.Fprintf(&b, bashBegin, strings.Join(names, "|"))
	for i := range all {
		c := &all[i]
		fmt.Fprintf(&b, "    %s)\n        case $prev in\n", c.name)
		var flags []string
		for _, o := range c.offers() {
			flags = append(flags, o.names()...)
			if o.kind != nothing {
				fmt.Fprintf(&b, "        %s) %sreturn ;;\n", strings.Join(o.names(), "|"), bashValue(&o))
			}
		}
		fmt.Fprintf(&b, "        esac\n        flags='%s'\n", strings.Join(flags, " "))
		if words := c.wordsOf(); words != nil {
			fmt.Fprintf(&b, "        words='%s'\n", strings.Join(words, " "))
		}
		if c.serves() {
			b.WriteString("        app=yes\n")
		}
		b.WriteString("        ;;\n")
	}
	fmt.Fprintf(&b, bashEnd, strings.Join(names, " "))
	return b.String()
}

func bashValue(o *offered) string {
	switch o.kind {
	case words:
		return fmt.Sprintf("mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$cur\"); ", strings.Join(o.words, " "))
	case files:
		return "mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); compopt -o filenames; "
	case directories:
		return "mapfile -t COMPREPLY < <(compgen -d -- \"$cur\"); compopt -o filenames; "
	}
	return ""
}

func commandNamesOf(all []command) []string {
	var names []string
	for _, c := range all {
		names = append(names, c.name)
	}
	return names
}

const zshBegin = `#compdef speyside
# Completion of speyside for zsh, as speyside completion zsh prints it.
_speyside() {
    local command=serve
    local -a commands
    commands=(
`

const zshCommand = `    )
    if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
        _describe -t commands command commands
        _files -g '*.(py|wsgi)'
        return
    fi
    if (( CURRENT > 2 )) && [[ -n ${commands[(r)${words[2]}:*]} ]]; then
        command=$words[2]
        shift words
        (( CURRENT-- ))
    fi
    case $command in
`

const zshEnd = `    esac
}
if [[ $funcstack[1] == _speyside ]]; then
    _speyside "$@"
else
    compdef _speyside speyside
fi
`

func zshCompletion(all []command) string {
	var b strings.Builder
	b.WriteString(zshBegin)
	for _, c := range all {
		fmt.Fprintf(&b, "        %s\n", singleQuoted(c.name+":"+zshEscaped(c.summary)))
	}
	b.WriteString(zshCommand)
	for i := range all {
		c := &all[i]
		fmt.Fprintf(&b, "    %s)\n        _arguments -s -S :", c.name)
		for _, o := range c.offers() {
			zshFlag(&b, &o)
		}
		switch words := c.wordsOf(); {
		case words != nil:
			fmt.Fprintf(&b, " \\\n            %s", singleQuoted("1:argument:("+strings.Join(words, " ")+")"))
		case c.serves():
			fmt.Fprintf(&b, " \\\n            %s", singleQuoted(`*:application:_files -g "*.(py|wsgi)"`))
		}
		b.WriteString("\n        ;;\n")
	}
	b.WriteString(zshEnd)
	return b.String()
}

// zshFlag writes the flag as _arguments wants it.
func zshFlag(b *strings.Builder, o *offered) {
	rest := "[" + zshEscaped(o.says) + "]"
	switch o.kind {
	case anything:
		rest += ":" + zshEscaped(o.meta) + ": "
	case words:
		rest += ":" + zshEscaped(o.meta) + ":(" + strings.Join(o.words, " ") + ")"
	case files:
		rest += ":" + zshEscaped(o.meta) + ":_files"
	case directories:
		rest += ":" + zshEscaped(o.meta) + ":_files -/"
	}
	for _, name := range o.names() {
		switch {
		case o.kind == nothing:
		case strings.HasPrefix(name, "--"):
			name += "="
		default:
			name += "+"
		}
		fmt.Fprintf(b, " \\\n            %s", singleQuoted("*"+name+rest))
	}
}

func zshEscaped(text string) string {
	return strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`, ":", `\:`).Replace(text)
}

// singleQuoted is a text as a word of bash and zsh.
func singleQuoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

const fishBegin = `# Completion of speyside for fish, as speyside completion fish prints it.
function __speyside_command
    set -l words (commandline -opc)
    if set -q words[2]; and contains -- $words[2] %s
        echo $words[2]
    else
        echo serve
    end
end
function __speyside_first
    test (count (commandline -opc)) -eq 1
end
complete -c speyside -f
`

func fishCompletion(all []command) string {
	var b strings.Builder
	fmt.Fprintf(&b, fishBegin, strings.Join(commandNamesOf(all), " "))
	for _, c := range all {
		fmt.Fprintf(&b, "complete -c speyside -n __speyside_first -a %s -d %s\n", c.name, fishQuoted(c.summary))
	}
	for i := range all {
		c := &all[i]
		begin := "complete -c speyside -n " + fishQuoted("test (__speyside_command) = "+c.name)
		for _, o := range c.offers() {
			fishFlag(&b, begin, &o)
		}
		switch words := c.wordsOf(); {
		case words != nil:
			fmt.Fprintf(&b, "%s -a %s\n", begin, fishQuoted(strings.Join(words, " ")))
		case c.serves():
			fmt.Fprintf(&b, "%s -a %s\n", begin, fishQuoted("(__fish_complete_suffix .py; __fish_complete_suffix .wsgi)"))
		}
	}
	return b.String()
}

func fishFlag(b *strings.Builder, begin string, o *offered) {
	b.WriteString(begin)
	if o.short != "" {
		b.WriteString(" -s " + o.short)
	}
	if o.long != "" {
		b.WriteString(" -l " + o.long)
	}
	switch o.kind {
	case anything:
		b.WriteString(" -x")
	case words:
		b.WriteString(" -x -a " + fishQuoted(strings.Join(o.words, " ")))
	case files:
		b.WriteString(" -r -F")
	case directories:
		b.WriteString(" -x -a '(__fish_complete_directories)'")
	}
	fmt.Fprintf(b, " -d %s\n", fishQuoted(o.says))
}

func fishQuoted(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
}
