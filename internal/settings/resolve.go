package settings

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"speyside.dev/speyside/internal/fault"
)

// ErrHelp and ErrVersion say that the command line asked for the help or the version instead of a server.
var (
	ErrHelp    = errors.New("help is wanted")
	ErrVersion = errors.New("the version is wanted")
)

// Resolve turns the sources into settings. A flag counts before the setting's own environment variable, that before the files, those before
// a variable that gunicorn reads, that before the default. The error has everything that is wrong: see [fault.Each]; each is an occurrence of fault.Usage or
// fault.SettingInvalid.
func Resolve(sources Sources) (*Settings, error) {
	r := resolver{Sources: sources, machine: thisMachine(os.DirFS("/"), runtime.NumCPU())}
	return r.resolve()
}

// resolver is Resolve with the machine as a value.
type resolver struct {
	Sources
	machine machine
}

func (r resolver) resolve() (*Settings, error) {
	app := &App{}
	s := &Settings{Apps: []*App{app}, sources: map[string]Source{}}
	var wrong []error
	for i := range table {
		setting := &table[i]
		given := r.find(setting)
		if given.Source != SourceDefault {
			s.sources[setting.Name] = given.Source
		}
		if len(given.Texts) == 0 {
			continue
		}
		if err := setting.set(s, app, given.Texts, r.machine); err != nil {
			wrong = append(wrong, invalid(setting, strings.Join(given.Texts, ","), given.Source, err))
		}
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	which, named, err := r.Application()
	if err != nil {
		return nil, err
	}
	if which == "paste" {
		app.Paste = named.Texts[0]
		if app.WSGIApp = app.Paste; !OfPaste(app.Paste) {
			app.WSGIApp = "config:" + app.Paste
		}
	} else {
		app.Paste = ""
	}
	if app.WSGIApp == "" {
		return nil, fault.New(fault.Usage, "no application was named").
			WithHint("name it: speyside module:callable, or speyside FILE.py; speyside --help lists every flag.")
	}
	dir, err := filepath.Abs(r.Dir)
	if err != nil {
		return nil, fault.New(fault.SettingInvalid, "finding the current directory: %w", err)
	}
	if err := app.boundWorkers(s, r.chosen("workers")); err != nil {
		return nil, err
	}
	return s, s.finish(dir)
}

// chosen reports that somebody has given the setting a value, rather than another server's defaults, and not `auto`.
func (r resolver) chosen(name string) bool {
	setting, _ := Named(name)
	given, early := r.lookUp(&setting)
	return early <= 2+len(r.Files) && !slices.Contains(given.Texts, "auto")
}

// Find returns what counts for the setting of that name.
func (s Sources) Find(name string) Given {
	setting, known := Named(name)
	if !known {
		return Given{nil, SourceDefault}
	}
	given, _ := s.lookUp(&setting)
	return given
}

// find returns what counts for a setting.
func (r resolver) find(setting *Setting) Given {
	given, _ := r.lookUp(setting)
	return given
}

// lookUp returns what counts for a setting, and how early it counts: 0 is before everything else.
func (s Sources) lookUp(setting *Setting) (Given, int) {
	if given, ok := s.Flags[setting.Name]; ok {
		return given, 0
	}
	if given, ok := s.variable(setting, setting.EnvName()); ok {
		return given, 1
	}
	for i, file := range s.Files {
		if given, ok := file[setting.Name]; ok {
			return given, 2 + i
		}
	}
	late := 2 + len(s.Files)
	if given, ok := s.variable(setting, setting.Env); ok {
		return given, late
	}
	if given, ok := s.Defaults[setting.Name]; ok {
		return given, late + 1
	}
	return Given{setting.defaults(), SourceDefault}, late + 2
}

// Application returns which of wsgi_app and paste counts, and what it says: the one that is given earlier, and a command line gives one only. A file of PasteDeploy
// is that whichever names it. Without any, the name is empty.
func (s Sources) Application() (name string, given Given, err error) {
	app, _ := Named("wsgi_app")
	paste, _ := Named("paste")
	named, early := s.lookUp(&app)
	file, earlier := s.lookUp(&paste)
	switch {
	case named.Source == SourceDefault && file.Source == SourceDefault:
		return "", Given{}, nil
	case early == 0 && earlier == 0:
		return "", Given{}, fault.New(fault.Usage, "one application is served, and two were named: %s, and --paste %s", strings.Join(named.Texts, " "), strings.Join(file.Texts, " "))
	case named.Source == SourceDefault || earlier <= early && file.Source != SourceDefault:
		return "paste", file, nil
	case len(named.Texts) == 1 && OfPaste(named.Texts[0]):
		return "paste", named, nil
	}
	return "wsgi_app", named, nil
}

// OfPaste reports that an application is named by its PasteDeploy file: FILE.ini, FILE.ini#NAME or config:FILE#NAME.
func OfPaste(app string) bool {
	file, _, _ := strings.Cut(app, "#")
	return strings.HasPrefix(app, "config:") || strings.HasSuffix(file, ".ini")
}

// variable is what an environment variable says of the setting; empty counts as unset.
func (s Sources) variable(setting *Setting, name string) (Given, bool) {
	if name == "" || s.Env == nil {
		return Given{}, false
	}
	text := strings.TrimSpace(s.Env(name))
	if text == "" {
		return Given{}, false
	}
	if name == setting.Env && setting.fromEnv != nil {
		text = setting.fromEnv(text)
	}
	return Given{setting.Split(text), Source("environment variable " + name)}, true
}

// Split turns the text of several values, where there may be several, into one for each.
func (s *Setting) Split(text string) []string {
	switch s.Type {
	case List, Addresses:
		return split(text, ",")
	case Routes, Variables:
		return split(text, ";")
	}
	return []string{text}
}

func split(text, separator string) []string {
	parts := strings.Split(text, separator)
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return slices.DeleteFunc(parts, func(part string) bool { return part == "" })
}

func invalid(setting *Setting, text string, source Source, why error) error {
	return fault.New(fault.SettingInvalid, "setting %s is %q (from %s): %w", setting.Name, text, source, why)
}

// flagTexts holds what a flag was given: pflag parses nothing for us, so that every source is parsed alike.
type flagTexts struct {
	texts *[]string
	meta  string
}

func (f flagTexts) String() string     { return "" }
func (f flagTexts) Type() string       { return f.meta }
func (f flagTexts) Set(t string) error { *f.texts = append(*f.texts, t); return nil }

// Line is a command line.
type Line struct {
	Given Layer
	Check bool // --check-config: say what is wrong with the configuration, and serve nothing
	Print bool // --print-config: show every effective value, and serve nothing
	// Foreign are the flags of another server, one argument for each with its value.
	Foreign []string
}

// ParseFlags reads a command line, without the program's name, on which flags of other servers may stand, too. The error is ErrHelp,
// ErrVersion, or an occurrence of fault.Usage.
func ParseFlags(args []string, foreign ...Foreign) (*Line, error) {
	flags := pflag.NewFlagSet("speyside", pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-")) // gunicorn has --limit-request-field_size
	})
	help := flags.BoolP("help", "h", false, "")
	version := flags.BoolP("version", "v", false, "")
	line := &Line{Given: Layer{}}
	flags.BoolVar(&line.Check, "check-config", false, "")
	flags.BoolVar(&line.Print, "print-config", false, "")
	texts := make([][]string, len(table))
	for i := range table {
		if setting := &table[i]; !setting.Positional {
			flags.VarP(flagTexts{&texts[i], setting.Meta}, setting.FlagName(), setting.Short, setting.Summary())
		}
	}
	addForeign(flags, line, foreign)
	err := flags.Parse(withValues(args))
	switch {
	case err != nil:
		return nil, usage(flags, err)
	case *help:
		return nil, ErrHelp
	case *version:
		return nil, ErrVersion
	case flags.NArg() > 1:
		return nil, fault.New(fault.Usage, "one application is served, and %d were named: %s", flags.NArg(),
			strings.Join(flags.Args(), " "))
	}
	for i := range table {
		switch setting := &table[i]; {
		case setting.Positional && flags.Arg(0) != "":
			line.Given[setting.Name] = Given{flags.Args(), "the command line"}
		case setting.Type == List && texts[i] != nil:
			line.Given[setting.Name] = Given{split(strings.Join(texts[i], ","), ","), Source("--" + setting.FlagName())}
		case texts[i] != nil:
			line.Given[setting.Name] = Given{texts[i], Source("--" + setting.FlagName())}
		}
	}
	return line, nil
}

// withValues gives a flag that may stand alone, and does, the value that it then has. As in gunicorn the next argument is its value
// if it can be.
func withValues(args []string) []string {
	given := slices.Clone(args)
	for i := range table {
		setting := &table[i]
		at := slices.IndexFunc(given, func(arg string) bool {
			return strings.ReplaceAll(arg, "_", "-") == "--"+setting.FlagName() || setting.Short != "" && arg == "-"+setting.Short
		})
		if end := slices.Index(given, "--"); setting.bare() == "" || at < 0 || end >= 0 && end < at {
			continue
		}
		if at+1 == len(given) || !setting.mayBe(given[at+1]) {
			given = slices.Insert(given, at+1, setting.bare())
		}
	}
	return given
}

// bare is what the flag means without a value: a switch is switched on.
func (s *Setting) bare() string {
	if s.Type == Bool {
		return "on"
	}
	return s.Bare
}

// mayBe reports that text can be the value of a flag that may stand alone.
func (s *Setting) mayBe(text string) bool {
	if s.Type == Bool {
		_, err := parseSwitch(text)
		return err == nil
	}
	return s.Check.OK(text)
}

// usage turns pflag's complaint into ours, with the flag that was probably meant.
func usage(flags *pflag.FlagSet, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return fault.New(fault.Usage, "%w", err)
	}
	name := unknown.GetSpecifiedName()
	if unknown.GetSpecifiedShortnames() != "" {
		return fault.New(fault.Usage, "there is no flag -%s", name)
	}
	complaint := fault.New(fault.Usage, "there is no flag --%s", name)
	switch meant := Meant(name); {
	case meant != nil && meant.Positional:
		return complaint.WithHint("the application is named without a flag: speyside module:callable. speyside --help lists every flag.")
	case meant != nil:
		return complaint.WithHint("did you mean --%s? speyside --help lists every flag.", meant.FlagName())
	}
	var names []string
	flags.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if near := Nearest(name, names); near != "" {
		return complaint.WithHint("did you mean --%s? speyside --help lists every flag.", near)
	}
	return complaint
}

// finish does what depends on more than one setting: relative paths start at chdir, as in gunicorn.
func (s *Settings) finish(dir string) error {
	app := s.Apps[0]
	if err := app.finish(s, dir); err != nil {
		return err
	}
	for _, limit := range []*int{&s.LimitRequestLine, &s.LimitRequestFieldSize} {
		if *limit == 0 {
			*limit = MaxHead
		}
	}
	if s.ProcName == "" {
		s.ProcName = app.WSGIApp
	}
	if path := s.ControlSocket; path != ControlOff && path != ControlAbstract {
		if s.ControlSocket = absolute(app.Chdir, path); len(s.ControlSocket) > maxUnixPath {
			return fault.New(fault.SettingInvalid, "setting control_socket is %q (from %s): %s", path, s.Source("control_socket"), tooLong(s.ControlSocket))
		}
	}
	if s.LivePath == s.ReadyPath {
		return fault.New(fault.SettingInvalid, "setting ready_path is %q (from %s): live_path is the same", s.ReadyPath, s.Source("ready_path"))
	}
	for _, path := range []*string{&s.PidFile, &s.AccessLog, &s.ErrorLog} {
		if *path != "" && *path != Standard {
			*path = absolute(app.Chdir, *path)
		}
	}
	if err := s.finishBind("bind", s.Bind, nil); err != nil {
		return err
	}
	if err := s.finishBind("admin_bind", s.AdminBind, s.Bind); err != nil {
		return err
	}
	return s.finishBind("stats", s.Stats, slices.Concat(s.Bind, s.AdminBind))
}

// finish does the same for one application.
func (a *App) finish(s *Settings, dir string) error {
	a.Chdir = absolute(dir, a.Chdir)
	for i, dir := range a.PythonPath {
		a.PythonPath[i] = absolute(a.Chdir, dir)
	}
	for i, path := range a.TouchReload {
		a.TouchReload[i] = absolute(a.Chdir, path)
	}
	for i, path := range a.ReloadExtraFiles {
		a.ReloadExtraFiles[i] = absolute(a.Chdir, path)
	}
	if a.Venv != "" {
		a.Venv = absolute(a.Chdir, a.Venv)
	}
	if strings.Contains(a.Python, "/") { // typed in a shell, it starts where the shell is
		a.Python = absolute(dir, a.Python)
	}
	if soft, hard := a.MaxWorkerMemory, a.MaxWorkerMemoryHard; hard != 0 && hard <= soft {
		return fault.New(fault.SettingInvalid, "setting max_worker_memory_hard is %d (from %s): it must be more than max_worker_memory, %d", hard,
			s.Source("max_worker_memory_hard"), soft)
	}
	return nil
}

// finishBind completes the addresses of one setting; no address may be there twice, nor be one of others.
func (s *Settings) finishBind(name string, addresses, others []Address) error {
	for i, a := range addresses {
		if a.Network == "unix" {
			addresses[i].Path = absolute(s.Apps[0].Chdir, a.Path)
		}
		why, taken := "", a.Port+len(a.Path)+a.FD != 0
		switch {
		case len(addresses[i].Path) > maxUnixPath:
			why = tooLong(addresses[i].Path)
		case slices.Contains(addresses[:i], addresses[i]) && taken:
			why = "it is there twice"
		case slices.Contains(others, addresses[i]) && taken:
			why = s.user(addresses[i])
		}
		if why != "" {
			return fault.New(fault.SettingInvalid, "setting %s is %q (from %s): %s", name, a, s.Source(name), why)
		}
	}
	return nil
}

// user says what an address is for.
func (s *Settings) user(a Address) string {
	if slices.Contains(s.Bind, a) {
		return "the application is served there"
	}
	return "health checks are answered there"
}

// tooLong says why a path cannot be that of a Unix socket.
func tooLong(path string) string {
	return fmt.Sprintf("the path of a Unix socket has at most %d bytes, and %s has %d", maxUnixPath, path, len(path))
}

func absolute(base, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(base, path)
}
