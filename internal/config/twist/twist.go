// Package twist understands the command line of Twisted's `twist web --wsgi=module.app --listen=tcp:8080`. Most callers need Parse.
//
// What `twist web` can do besides serving a WSGI application over TCP or a Unix socket is refused, with what to do instead.
package twist

import (
	"errors"
	"io"
	"strings"

	"github.com/spf13/pflag"

	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/settings"
)

// Config is a command line in Speyside's terms.
type Config struct {
	Given    settings.Layer
	Defaults settings.Layer // Twisted's, where an application can tell
	Notes    []Note
}

// Note is a flag without effect, and why.
type Note struct{ Flag, Says string }

// Help is what --help says.
const Help = `The flags of Twisted's twist that serve a WSGI application:

  --log-level LEVEL          least severe log lines to write
  --log-file FILE            the log
  --log-format text|json     form of its lines
  web                        the only plugin there is
  --wsgi NAME                the application: package.module.name
  --listen DESCRIPTION       where to listen: tcp:8080:interface=127.0.0.1,
                             unix:PATH:mode=660, systemd:domain=INET:index=0;
                             repeatable
  -p, --port DESCRIPTION     the same, once
  -l, --logfile FILE         access log
`

// refused are the flags of `twist web` that are no flags here, and what to do instead.
var refused = []struct{ name, short, says string }{
	{"path", "", "static files belong to the proxy in front, or to the application"},
	{"class", "", "only WSGI applications are served: name one with --wsgi"},
	{"resource-script", "", "only WSGI applications are served: name one with --wsgi"},
	{"processor", "", "only WSGI applications are served: name one with --wsgi"},
	{"https", "", "TLS is not there yet: end it in the proxy in front"},
	{"certificate", "c", "TLS is not there yet: end it in the proxy in front"},
	{"privkey", "k", "TLS is not there yet: end it in the proxy in front"},
	{"add-header", "", "the header belongs to the application, or to the proxy in front"},
	{"index", "i", "static files belong to the proxy in front, or to the application"},
	{"mime-type", "m", "static files belong to the proxy in front, or to the application"},
	{"ignore-ext", "", "static files belong to the proxy in front, or to the application"},
}

// refusedSwitches are those without a value.
var refusedSwitches = []struct{ name, short, says string }{
	{"personal", "", "a server publishes no resources to another one"},
	{"user", "u", "directories of users belong to the proxy in front"},
	{"allow-ignore-ext", "", "static files belong to the proxy in front, or to the application"},
}

// line is the command line while it is read.
type line struct {
	web, global               *pflag.FlagSet
	listen                    []string
	port, wsgi, access        string
	level, file, form, chosen string
	config                    Config
	wrong                     []error
}

// Parse reads the arguments behind `twist`. The error is settings.ErrHelp, or everything that is wrong, see [fault.Each]: occurrences of
// fault.Usage, and of fault.OptionRefused for what is not served here.
func Parse(args []string) (*Config, error) {
	l := &line{global: flags("twist"), web: flags("twist web")}
	l.declare()
	if err := parse(l.global, args); err != nil {
		return nil, err
	}
	rest := l.global.Args()
	switch {
	case len(rest) == 0:
		return nil, usage("no plugin was named").WithHint("write speyside twist web --wsgi=package.module.name.")
	case rest[0] != "web":
		return nil, fault.New(fault.OptionRefused, "the plugin %s of twist is not there", rest[0]).WithHint("web is, with --wsgi; the others need Twisted itself.")
	}
	if err := parse(l.web, rest[1:]); err != nil {
		return nil, err
	}
	if l.web.NArg() > 0 {
		return nil, usage("twist web takes flags alone, and was given %s", l.web.Arg(0))
	}
	l.config.Given = settings.Layer{}
	l.refuse()
	l.application()
	l.addresses()
	l.logs()
	l.config.Defaults = defaults()
	return &l.config, errors.Join(l.wrong...)
}

func flags(name string) *pflag.FlagSet {
	set := pflag.NewFlagSet(name, pflag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.SetInterspersed(false)
	set.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-")) // Twisted allows both
	})
	return set
}

func (l *line) declare() {
	l.global.StringVar(&l.level, "log-level", "", "")
	l.global.StringVar(&l.file, "log-file", "", "")
	l.global.StringVar(&l.form, "log-format", "", "")
	l.global.StringVar(&l.chosen, "reactor", "", "")
	l.web.StringVar(&l.wsgi, "wsgi", "", "")
	l.web.StringArrayVar(&l.listen, "listen", nil, "")
	l.web.StringVarP(&l.port, "port", "p", "", "")
	l.web.StringVarP(&l.access, "logfile", "l", "", "")
	l.web.BoolP("notracebacks", "n", false, "")
	l.web.Bool("display-tracebacks", false, "")
	for _, r := range refused {
		l.web.StringP(r.name, r.short, "", "")
	}
	for _, r := range refusedSwitches {
		l.web.BoolP(r.name, r.short, false, "")
	}
}

func usage(format string, args ...any) *fault.Error { return fault.New(fault.Usage, format, args...) }

// parse turns pflag's complaint into ours, with the flag that was probably meant.
func parse(set *pflag.FlagSet, args []string) error {
	err := set.Parse(args)
	var unknown *pflag.NotExistError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pflag.ErrHelp):
		return settings.ErrHelp
	case !errors.As(err, &unknown):
		return usage("%w", err)
	}
	var names []string
	set.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	complaint := usage("%s has no flag --%s", set.Name(), unknown.GetSpecifiedName())
	if near := settings.Nearest(unknown.GetSpecifiedName(), names); near != "" {
		return complaint.WithHint("did you mean --%s? speyside twist --help lists what there is.", near)
	}
	return complaint.WithHint("speyside twist --help lists what there is.")
}

// refuse complains about everything that is not served here.
func (l *line) refuse() {
	for _, r := range append(refused, refusedSwitches...) {
		if l.web.Changed(r.name) {
			l.wrong = append(l.wrong, fault.New(fault.OptionRefused, "--%s of twist web cannot be honoured", r.name).WithHint("%s.", r.says))
		}
	}
	if l.chosen != "" {
		l.config.Notes = append(l.config.Notes, Note{"--reactor", "there is no reactor: the front has a loop of its own, and the application threads"})
	}
	if l.web.Changed("display-tracebacks") {
		l.config.Notes = append(l.config.Notes, Note{"--display-tracebacks", "tracebacks are in the log alone"})
	}
}

// application: a name with dots, whose last part is that of the object.
func (l *line) application() {
	if l.wsgi == "" {
		if len(l.wrong) == 0 {
			l.wrong = append(l.wrong, usage("no application was named").WithHint("write --wsgi=package.module.name."))
		}
		return
	}
	dot := strings.LastIndexByte(l.wsgi, '.')
	if dot <= 0 || dot == len(l.wsgi)-1 || strings.ContainsAny(l.wsgi, ":/ ") {
		l.wrong = append(l.wrong, usage("--wsgi is %s, and is no name of an object in a module", l.wsgi).WithHint("write --wsgi=package.module.name."))
		return
	}
	l.set("wsgi_app", "--wsgi", l.wsgi[:dot]+":"+l.wsgi[dot+1:])
}

func (l *line) set(setting, flag string, texts ...string) {
	l.config.Given[setting] = settings.Given{Texts: texts, Source: settings.Source(flag + " of twist")}
}

// levels are Twisted's names that are not ours.
var levels = map[string]string{"warn": "warning"}

func (l *line) logs() {
	if l.level != "" {
		level := l.level
		if ours, ok := levels[level]; ok {
			level = ours
		}
		l.set("loglevel", "--log-level", level)
	}
	if l.file != "" {
		l.set("errorlog", "--log-file", l.file)
	}
	if l.form != "" {
		l.set("log_format", "--log-format", l.form)
	}
	if l.access != "" {
		l.set("accesslog", "--logfile", l.access)
	}
}

// defaults: one process, the threads of Twisted's pool, no time limit, and a line for each request.
func defaults() settings.Layer {
	layer := settings.Layer{}
	for name, value := range map[string]string{"workers": "1", "threads": "20", "timeout": "0", "accesslog": "-", "bind": ":8080"} {
		layer[name] = settings.Given{Texts: []string{value}, Source: "Twisted's default"}
	}
	return layer
}
