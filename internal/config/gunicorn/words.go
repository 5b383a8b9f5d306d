package gunicorn

import (
	"strings"

	"speyside.dev/speyside/internal/fault"
)

// CmdArgs is the environment variable that has arguments of gunicorn.
const CmdArgs = "GUNICORN_CMD_ARGS"

// FromEnv returns what the environment variable says, nothing where it is not set. The error is an occurrence of fault.Usage.
func FromEnv(env func(string) string) ([]Value, error) {
	list, err := words(env(CmdArgs))
	if err != nil {
		return nil, err
	}
	args, err := Parse(list, CmdArgs)
	if err != nil {
		return nil, err
	}
	return args.Values, nil
}

// words cuts a text as a shell does: quotes hold spaces together, and a backslash takes the next character as it is.
func words(text string) ([]string, error) {
	var found []string
	var word strings.Builder
	inWord, quote := false, rune(0)
	escaped := false
	for _, r := range text {
		switch {
		case escaped:
			if quote == '"' && r != '"' && r != '\\' {
				word.WriteByte('\\') // between double quotes it escapes these alone
			}
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, inWord = true, true
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case r == '\'' || r == '"':
			quote, inWord = r, true
		case strings.ContainsRune(" \t\r\n", r):
			if inWord {
				found = append(found, word.String())
				word.Reset()
			}
			inWord = false
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if quote != 0 || escaped {
		return nil, fault.New(fault.Usage, "%s: a quote is not closed, or a backslash is the last character: %s", CmdArgs, text).
			WithHint("write it as a shell would take it.")
	}
	if inWord {
		found = append(found, word.String())
	}
	return found, nil
}
