package settings

// Given is what a source says of one setting.
type Given struct {
	Texts  []string // as an operator would write them; a list has one for each of its elements
	Source Source
}

// Layer is what one source says, by the names of the settings. Names that are no setting's have been refused before.
type Layer map[string]Given

// Sources are what settings are made of.
type Sources struct {
	Flags Layer                    // the command line
	Env   func(name string) string // the environment; a variable that is empty counts as unset
	// Dir is where the program was started, by the name that the shell has for it: where relative paths begin. Empty: the current directory.
	Dir string
	// Files are what counts before the variables that gunicorn reads too, after the settings' own: the first has precedence.
	Files []Layer
	// Defaults are those of another server, whose configuration is in use; they count before the table's.
	Defaults Layer
}

// Source says where a setting's value came from, in the words of an error message.
type Source string

// SourceDefault is the source of a value that nobody gave.
const SourceDefault Source = "the default"

// Source returns where the value of the setting with this name came from.
func (s *Settings) Source(name string) Source {
	if source, ok := s.sources[name]; ok {
		return source
	}
	return SourceDefault
}

// Reckoned is how `auto` came to so many workers; empty when somebody said how many.
func (a *App) Reckoned() string { return a.reckoned }

// Given reports whether somebody gave the setting a value, by a flag, in the environment or in a file.
func (s *Settings) Given(name string) bool { return s.Source(name) != SourceDefault }
