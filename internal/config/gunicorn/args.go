package gunicorn

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/settings"
)

// Args is a command line of gunicorn.
type Args struct {
	Values        []Value
	Apps          []string // the arguments without a flag; gunicorn serves the first
	Help, Version bool
}

// Parse reads the arguments after gunicorn's name as argparse does, abbreviations and all. The source of each value is where, which may
// be empty, and the flag. The error is an occurrence of fault.Usage.
func Parse(args []string, where string) (*Args, error) {
	p := parser{rows: byName(), where: where, given: &Args{}}
	p.flags = map[string]*Row{"-h": nil, "--help": nil, "-v": nil, "--version": nil}
	for _, row := range p.rows {
		for _, flag := range row.Flags {
			p.flags[flag] = &row
		}
	}
	for p.rest = args; len(p.rest) > 0; {
		if err := p.next(); err != nil {
			return nil, err
		}
	}
	return p.given, nil
}

type parser struct {
	rows  table
	flags map[string]*Row // nil: it is about no setting
	where string
	rest  []string
	given *Args
}

// next takes one flag with its value, or one argument without.
func (p *parser) next() error {
	arg := p.rest[0]
	p.rest = p.rest[1:]
	switch {
	case arg == "--":
		p.given.Apps = append(p.given.Apps, p.rest...)
		p.rest = nil
		return nil
	case !p.isFlag(arg):
		p.given.Apps = append(p.given.Apps, arg)
		return nil
	case strings.HasPrefix(arg, "--"):
		name, value, has := strings.Cut(arg, "=")
		flag, err := p.spelledOut(name)
		if err != nil {
			return err
		}
		return p.flag(flag, value, has)
	}
	return p.short(arg)
}

// isFlag says whether argparse takes an argument for a flag: a lone hyphen, a negative number and what has a space in it is none.
func (p *parser) isFlag(arg string) bool {
	if _, known := p.flags[arg]; known {
		return true
	}
	negative := strings.Trim(strings.TrimPrefix(arg, "-"), "0123456789.") == ""
	return len(arg) > 1 && arg[0] == '-' && !negative && (!strings.Contains(arg, " ") || strings.Contains(arg, "="))
}

// spelledOut returns the flag that begins so.
func (p *parser) spelledOut(name string) (string, error) {
	if _, known := p.flags[name]; known {
		return name, nil
	}
	var longer []string
	for flag := range p.flags {
		if strings.HasPrefix(flag, name) {
			longer = append(longer, flag)
		}
	}
	slices.Sort(longer)
	switch len(longer) {
	case 0:
		return "", p.unknown(name)
	case 1:
		return longer[0], nil
	}
	return "", p.usage("%s may be %s", name, strings.Join(longer, " or "))
}

// short takes -w3, -w=3, -w 3, and flags without values in one argument: -DR.
func (p *parser) short(arg string) error {
	for {
		flag, rest := arg[:2], arg[2:]
		row, known := p.flags[flag]
		switch {
		case !known:
			return p.usage("there is no flag %s in gunicorn", flag)
		case rest == "":
			return p.flag(flag, "", false)
		case row != nil && row.takesValue():
			return p.flag(flag, strings.TrimPrefix(rest, "="), true)
		case rest[0] == '=':
			return p.usage("%s takes no value, and has %s", flag, rest[1:])
		}
		if err := p.flag(flag, "", false); err != nil {
			return err
		}
		arg = "-" + rest
	}
}

func (r *Row) takesValue() bool { return r.Action != SwitchOn && r.Action != SwitchOff }

// flag notes what a flag says; value is what the same argument has after an equals sign.
func (p *parser) flag(flag, value string, has bool) error {
	row := p.flags[flag]
	if has && (row == nil || !row.takesValue()) {
		return p.usage("%s takes no value, and has %s", flag, value)
	}
	if row == nil {
		p.given.Help = p.given.Help || flag == "-h" || flag == "--help"
		p.given.Version = p.given.Version || flag == "-v" || flag == "--version"
		return nil
	}
	if row.takesValue() && !has {
		switch {
		case len(p.rest) > 0 && p.rest[0] != "--" && !p.isFlag(p.rest[0]):
			value, p.rest = p.rest[0], p.rest[1:]
		case row.Action == MayStandAlone:
			value = alone
		default:
			return p.usage("%s needs a value", flag)
		}
	}
	p.give(row, flag, value)
	return nil
}

// give adds a value to those given; of several the last counts, unless they add up.
func (p *parser) give(row *Row, flag, text string) {
	at := slices.IndexFunc(p.given.Values, func(v Value) bool { return v.Name == row.Name })
	if at < 0 {
		at = len(p.given.Values)
		p.given.Values = append(p.given.Values, Value{Name: row.Name, Type: "str"})
	}
	v := &p.given.Values[at]
	v.Source = settings.Source(strings.TrimSpace(p.where + " " + row.spelling(flag)))
	var value any = text
	switch row.Action {
	case SwitchOn, SwitchOff:
		value, v.Type = row.Action == SwitchOn, "bool"
	case Append:
		var before []string
		_ = json.Unmarshal(v.JSON, &before) // none before the first
		value, v.Type = append(before, text), "list"
	}
	v.JSON, _ = json.Marshal(value) // of such types it cannot fail
	v.Repr = string(v.JSON)
}

// spelling is the long form of a flag, which says more in a message.
func (r *Row) spelling(flag string) string {
	if strings.HasPrefix(flag, "--") {
		return flag
	}
	return r.Flags[len(r.Flags)-1]
}

// unknown names the flag that was probably meant.
func (p *parser) unknown(name string) error {
	err := p.usage("there is no flag %s in gunicorn", name)
	var long []string
	for flag := range p.flags {
		long = append(long, strings.TrimPrefix(flag, "--"))
	}
	slices.Sort(long)
	if near := settings.Nearest(strings.TrimPrefix(name, "--"), long); near != "" {
		return err.WithHint("did you mean --%s? docs/migrating-gunicorn.md lists gunicorn's flags.", near)
	}
	return err
}

func (p *parser) usage(format string, args ...any) *fault.Error {
	what := fmt.Sprintf(format, args...)
	if p.where != "" {
		what = p.where + ": " + what
	}
	return fault.New(fault.Usage, "%s", what).WithHint("docs/migrating-gunicorn.md lists gunicorn's flags; speyside --help those of Speyside itself.")
}

// Flags are gunicorn's, for settings.ParseFlags.
func Flags() []settings.Foreign {
	var flags []settings.Foreign
	for _, row := range Table() {
		if len(row.Flags) > 0 {
			flags = append(flags, settings.Foreign{Names: row.Flags, Value: row.takesValue()})
		}
	}
	return flags
}
