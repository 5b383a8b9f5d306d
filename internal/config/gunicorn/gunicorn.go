// Package gunicorn turns what was written for gunicorn into settings of ours: a configuration file that has been executed, a
// command line, GUNICORN_CMD_ARGS. Most callers need Map; Parse reads a command line, and Table is every setting with what becomes of it,
// from which docs/migrating-gunicorn.md is derived.
//
// The package runs no Python and reads no file; hooks are called by the zygote and the workers. What it cannot honour it
// refuses, naming setting and line, unless nothing is lost with it.
package gunicorn

// Treatment is what becomes of a setting.
type Treatment string

// The treatments.
const (
	Same    Treatment = "same"    // ours of that name means the same
	Mapped  Treatment = "mapped"  // it becomes another setting, or another value
	Ignored Treatment = "ignored" // it has no effect, and nothing is lost
	Refused Treatment = "refused" // a value other than gunicorn's default stops the start
	Hook    Treatment = "hook"    // a function that is called as gunicorn does
)

// Action is what a flag does with the arguments after it.
type Action string

// The actions.
const (
	Store         Action = ""         // it has one value, the last one counts
	Append        Action = "append"   // each adds one
	SwitchOn      Action = "on"       // it has no value and means true
	SwitchOff     Action = "off"      // it has no value and means false
	MayStandAlone Action = "optional" // without a value it means alone
)

// alone is what proxy_protocol, the only one, means without a value.
const alone = "auto"

// Kind is what values gunicorn accepts.
type Kind string

// The kinds.
const (
	Text         Kind = "text"
	Count        Kind = "count"    // an integer from 0, or a text of one
	Switch       Kind = "switch"   // True, False, or a text of one
	TextOrSwitch Kind = "word"     // either
	Texts        Kind = "texts"    // a list, or one text
	Commas       Kind = "commas"   // a text with commas
	Dict         Kind = "dict"     //
	Class        Kind = "class"    // a class, or the text of its name
	Account      Kind = "account"  // a name or a number
	Function     Kind = "function" //
	Anything     Kind = "anything" //
)

// Row is one setting of gunicorn.
type Row struct {
	Name        string
	Section     string   // in gunicorn's documentation
	Flags       []string // with their hyphens; none: a file alone sets it
	Action      Action
	Kind        Kind
	Default     string // as JSON; empty: None
	DefaultText string // in words, where it depends on the machine
	Treatment   Treatment
	Ours        []string // the settings that it becomes
	Why         string   // a sentence: what becomes of it, why nothing is lost, or what to do instead

	// adapt turns a value into the texts of ours, where they are not its own, and says what is different, if anything is.
	adapt func(value any) (texts []string, note string)
	// harmless says that the value of a setting that is refused means nothing; false and empty ones do in any case.
	harmless func(value any) bool
}

// section is a group of settings.
type section struct {
	name string
	rows []Row
}

// Table returns every setting, in gunicorn's order.
func Table() []Row {
	var all []Row
	for _, s := range sections {
		for _, r := range s.rows {
			r.Section = s.name
			all = append(all, r)
		}
	}
	return all
}

// Names returns the names of all settings.
func Names() []string {
	var names []string
	for _, r := range Table() {
		names = append(names, r.Name)
	}
	return names
}

// table is Table by name.
type table map[string]Row

func byName() table {
	rows := table{}
	for _, r := range Table() {
		rows[r.Name] = r
	}
	return rows
}
