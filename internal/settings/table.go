package settings

import (
	"slices"
	"strings"
	"time"
)

// Setting is one entry of the table.
type Setting struct {
	Name        string  // snake_case: the file key; SPEYSIDE_NAME is its environment variable
	Flag        string  // its long flag, where it is not Name with hyphens
	Short       string  // its one-letter flag
	Positional  bool    // it is the argument without a flag
	Bare        string  // what its flag without a value means; empty: it has one always, unless it is a switch
	Meta        string  // what stands for the value in --help
	Type        Type    // how its text is read
	Default     string  // as an operator would write it
	DefaultText string  // in words, where Default does not say it
	Section     Section // where --help and docs/settings.md list it
	Since       string  // the version that brought it
	Reloadable  bool    // a reload may change it
	Env         string  // another environment variable that sets it, one that gunicorn reads
	Gunicorn    string  // gunicorn's name for it, where the meaning is the same
	Example     string  // a value as a speyside.toml has it, for a setting whose default does not show what one looks like
	FromShell   bool    // a relative path starts where the program does, and in a file where the file lies, instead of at chdir
	Check       Check   // what its values must be
	// Doc says what it is, its unit and range, and what happens on a bad value. The first sentence is shown in --help.
	Doc string

	fromEnv func(string) string      // turns the text of Env into that of the setting
	read    func(string) error       // what is wrong with a text, where there is more to say than Check does
	auto    func(*App, machine) int  // what `auto` stands for, where it is allowed
	words   map[string]time.Duration // what words stand for that are no duration, where they are allowed
	field   func(*Settings) any      // where the value goes, when it is the server's
	own     func(*App) any           // where the value goes, when each application has its own
}

// Section is a group of settings.
type Section string

// The sections, in the order of --help.
const (
	SectionApplication Section = "Application"
	SectionAddresses   Section = "Addresses"
	SectionWorkers     Section = "Workers"
	SectionRequests    Section = "Requests"
	SectionProxies     Section = "Proxies"
	SectionLimits      Section = "Limits"
	SectionBodies      Section = "Bodies"
	SectionTimeouts    Section = "Timeouts"
	SectionHealth      Section = "Health checks"
	SectionProcess     Section = "Process"
	SectionControl     Section = "Control"
	SectionLogging     Section = "Logging"
)

// Sections returns the sections in the order of --help.
func Sections() []Section {
	return []Section{SectionApplication, SectionAddresses, SectionWorkers, SectionRequests, SectionProxies, SectionLimits, SectionBodies,
		SectionTimeouts, SectionHealth, SectionProcess, SectionControl, SectionLogging}
}

// AutoSwitchInterval is the SwitchInterval that adapts to what runs.
const AutoSwitchInterval time.Duration = -1

// MaxHead is the longest head of a request in bytes, which no limit exceeds.
const MaxHead = 65535

// MaxInMemory is the largest body in bytes that is kept in memory while it arrives.
const MaxInMemory = 1 << 20

// mostOverlap is more workers than there can be.
const mostOverlap = 4096

// Table returns every setting, in the order of --help.
func Table() []Setting { return slices.Clone(table) }

// Named returns the setting with this name.
func Named(name string) (Setting, bool) {
	i := slices.IndexFunc(table, func(s Setting) bool { return s.Name == name })
	if i < 0 {
		return Setting{}, false
	}
	return table[i], true
}

// OfApp reports whether each application has its own value, rather than the server one.
func (s *Setting) OfApp() bool { return s.own != nil }

// Several reports whether there may be several values.
func (s *Setting) Several() bool {
	return slices.Contains([]Type{List, Addresses, Routes, Variables}, s.Type)
}

// FlagName returns the long flag of the setting without its hyphens, or "" for the positional one.
func (s *Setting) FlagName() string {
	switch {
	case s.Positional:
		return ""
	case s.Flag != "":
		return s.Flag
	}
	return strings.ReplaceAll(s.Name, "_", "-")
}

// NamesFile reports whether the setting names a file with settings, which no file can.
func (s *Setting) NamesFile() bool {
	return slices.Contains([]string{"config", "ini", "yaml", "json"}, s.Name)
}

// EnvName returns the setting's own environment variable.
func (s *Setting) EnvName() string { return "SPEYSIDE_" + strings.ToUpper(s.Name) }

// defaults are the texts of the default; none: nothing is set.
func (s *Setting) defaults() []string {
	switch {
	case s.Default == "":
		return nil
	case s.Type == List:
		return split(s.Default, ",")
	}
	return []string{s.Default}
}

// Summary returns the first sentence of Doc, without its full stop.
func (s *Setting) Summary() string {
	summary, _, _ := strings.Cut(s.Doc, ". ")
	return strings.TrimSuffix(summary, ".")
}

// table is the settings. It never changes.
var table = slices.Concat(mostSettings, logSettings)

// mostSettings are those that are not about logs.
var mostSettings = []Setting{
	{
		Name: "wsgi_app", Example: `"shop.wsgi:application"`, Positional: true, Meta: "APP", Type: String, Section: SectionApplication, Since: "0.1", Reloadable: true,
		Gunicorn: "wsgi_app", Check: notEmpty,
		Doc: "The application: module:callable, module, 'module:factory()', a .wsgi file or a script. " +
			"`module` alone looks for `application`, then `app`; `module:factory()` calls the function, whose result is the application; " +
			"`FILE.py` runs the script as `python FILE.py` would, with wsgiref's make_server taken over; `FILE.py:callable` " +
			"imports the file. Without an application, or with two, the program exits with code 2.",
		own: func(a *App) any { return &a.WSGIApp },
	},
	{
		Name: "paste", Example: `"production.ini"`, Meta: "FILE", Type: String, DefaultText: "none", Section: SectionApplication, Since: "0.1", Reloadable: true, Gunicorn: "paste", Check: notEmpty,
		Doc: "PasteDeploy file whose application is served, FILE or FILE#NAME. A file of Pyramid's, most often; NAME is main. A relative path starts at " +
			"`chdir`. `speyside development.ini` means the same. Logging is set up as the file says. Of its [server:main], `host`, `port`, `listen`, `threads` and the " +
			"like count where nothing else says them; the log names what does not. A file without that application is refused.",
		own: func(a *App) any { return &a.Paste },
	},
	{
		Name: "paste_global", Example: `["database=shop", "debug=0"]`, Meta: "NAME=VALUE", Type: Variables, DefaultText: "none", Section: SectionApplication, Since: "0.1", Reloadable: true,
		Gunicorn: "raw_paste_global_conf", Check: aVariable,
		Doc: "Variable for a PasteDeploy file, beside `here` and `__file__`, one for each flag. %(NAME)s in the file stands for the value. What has no = is refused.",
		own: func(a *App) any { return &a.PasteGlobal },
	},
	{
		Name: "config", Short: "c", Meta: "FILE", Type: Path, FromShell: true, DefaultText: "speyside.toml, pyproject.toml with [tool.speyside], gunicorn.conf.py",
		Section: SectionApplication, Since: "0.1", Gunicorn: "config", Check: notEmpty,
		Doc: "File with settings, or `off`. The default is the first there is, in the directory where the program is started: speyside.toml, a " +
			"pyproject.toml with the table [tool.speyside], gunicorn.conf.py; the log names those passed over. configuration.md says what may stand in them. " +
			"A file that cannot be read, or has an error, ends the start; at a reload the settings stay as they were.",
		field: func(s *Settings) any { return &s.Config },
	},
	{
		Name: "ini", Example: `"/etc/uwsgi/shop.ini"`, Meta: "FILE", Type: Path, FromShell: true, DefaultText: "none", Section: SectionApplication, Since: "0.1", Check: notEmpty,
		Doc: "File for uWSGI whose options count, in the place of `config`. FILE:SECTION is another section than [uwsgi]. What each option is here, " +
			"docs/migrating-uwsgi.md says; those without effect are listed in the log, and those that protect the service and cannot be honoured end the " +
			"start. What it leaves out is as in uWSGI where the application can tell: 1 worker with 1 thread, and no `timeout`.",
		field: func(s *Settings) any { return &s.Ini },
	},
	{
		Name: "yaml", Example: `"/etc/uwsgi/shop.yaml"`, Meta: "FILE", Type: Path, FromShell: true, DefaultText: "none", Section: SectionApplication, Since: "0.1", Check: notEmpty,
		Doc:   "File for uWSGI in the form of YAML, in the place of `ini`. Its options stand below the key uwsgi (SECTION with FILE:SECTION); a list is an option that is there several times. Other nesting is refused.",
		field: func(s *Settings) any { return &s.YAML },
	},
	{
		Name: "json", Example: `"/etc/uwsgi/shop.json"`, Meta: "FILE", Type: Path, FromShell: true, DefaultText: "none", Section: SectionApplication, Since: "0.1", Check: notEmpty,
		Doc:   "File for uWSGI in the form of JSON, in the place of `ini`. Its options stand below the key uwsgi (SECTION with FILE:SECTION); a list is an option that is there several times. Other nesting is refused.",
		field: func(s *Settings) any { return &s.JSON },
	},
	{
		Name: "chdir", Example: `"/srv/shop"`, FromShell: true, Meta: "PATH", Type: Path, DefaultText: "the current directory", Section: SectionApplication,
		Since: "0.1", Reloadable: true, Gunicorn: "chdir", Check: aDirectory,
		Doc: "Directory in which the application is loaded and runs. It is also the first entry of sys.path, and " +
			"other relative paths start there. A directory that does not exist is refused.",
		own: func(a *App) any { return &a.Chdir },
	},
	{
		Name: "pythonpath", Example: `["lib", "/opt/shared"]`, Flag: "pythonpath", Meta: "PATHS", Type: List, DefaultText: "none", Section: SectionApplication,
		Since: "0.1", Reloadable: true, Gunicorn: "pythonpath", Check: notEmpty,
		Doc: "Directories to put on sys.path before the others, separated by commas. Relative ones start at `chdir`. " +
			"A directory that does not exist is ignored by Python.",
		own: func(a *App) any { return &a.PythonPath },
	},
	{
		Name: "python", Example: `"/opt/python3.13/bin/python3"`, FromShell: true, Meta: "PATH", Type: Path, DefaultText: "found, see `venv`",
		Section: SectionApplication, Since: "0.1", Reloadable: true, Check: aProgram,
		Doc: "Python interpreter that runs the application. A path, or a name that is looked up in PATH; 3.11 or newer. It need not have " +
			"the speyside package: that of this program is lent to it. One that cannot be used is refused with what it said.",
		own: func(a *App) any { return &a.Python },
	},
	{
		Name: "venv", Example: `"/srv/shop/venv"`, Meta: "PATH", Type: Path, DefaultText: "found", Section: SectionApplication, Since: "0.1", Reloadable: true, Check: notEmpty,
		Doc: "Virtual environment whose Python runs the application. A relative path starts at `chdir`. Without it, and without `python`, it is the " +
			"environment of VIRTUAL_ENV, else .venv, venv or env in the project, else the one that speyside is installed in, else that of python3 on PATH. Speyside " +
			"need not be installed in it. It is looked up anew at each reload. One whose Python is gone, or older than 3.11, is refused.",
		own: func(a *App) any { return &a.Venv },
	},
	{
		Name: "raw_env", Example: `["DJANGO_SETTINGS_MODULE=shop.settings"]`, Flag: "env", Short: "e", Meta: "NAME=VALUE", Type: Variables, DefaultText: "none", Section: SectionApplication,
		Since: "0.1", Reloadable: true, Gunicorn: "raw_env", Check: aVariable,
		Doc: "Environment variable of the application, NAME=VALUE; repeatable. It is set before the application is loaded, and goes before one that the " +
			"server has inherited. In SPEYSIDE_RAW_ENV they are separated by semicolons.",
		own: func(a *App) any { return &a.RawEnv },
	},
	{
		Name: "preload", Example: `"on"`, Bare: "on", Meta: "MODE", Type: String, Default: "auto", Section: SectionApplication, Since: "0.1", Reloadable: true,
		Gunicorn: "preload_app", Check: oneOf(preloads...),
		Doc: "Whether the application is loaded once, before the workers are forked: auto, on or off. The flag alone means on. Loaded once, it " +
			"starts faster and the workers share its memory. With `auto` the workers load it themselves when its import leaves threads, " +
			"connections, listening sockets or event loops behind, which do not survive a fork; the log names them. A script that is run is " +
			"always loaded once.",
		own: func(a *App) any { return &a.Preload },
	},
	{
		Name: "reload", Meta: "on|off", Type: Bool, Default: "off", Section: SectionApplication, Since: "0.1", Gunicorn: "reload", Check: aSwitch,
		Doc: "Reload when a source file of the application changes. on or off. For development: every .py file in `chdir` and `pythonpath` counts, but for " +
			"virtual environments and hidden directories. A reload goes as by HUP: no request is lost, and an application that does not load " +
			"leaves the one before in service until the next change. What cannot be watched is named in the log.",
		Example: "true",
		own:     func(a *App) any { return &a.Reload },
	},
	{
		Name: "reload_extra_files", Flag: "reload-extra-file", Meta: "PATHS", Type: List, DefaultText: "none", Section: SectionApplication, Since: "0.1",
		Gunicorn: "reload_extra_files", Check: notEmpty, Example: `["templates/*.html", "shop.yaml"]`,
		Doc: "Further files whose changes count for `reload`, separated by commas. Paths, or patterns such as templates/*.html; relative ones start at " +
			"`chdir`. A file that does not exist yet counts when it is made.",
		own: func(a *App) any { return &a.ReloadExtraFiles },
	},
	{
		Name: "touch_reload", Meta: "PATHS", Type: List, DefaultText: "none", Section: SectionApplication, Since: "0.1", Check: notEmpty,
		Example: `["/run/shop/reload"]`,
		Doc: "Files that reload the server when they are touched or written, separated by commas. For production too: sources are not watched for it. " +
			"Relative paths start at `chdir`. A file that does not exist yet counts when it is made; one that cannot be watched is named in the log.",
		own: func(a *App) any { return &a.TouchReload },
	},
	{
		Name: "warmup", Example: `["/health", "shop.cache:fill"]`, Meta: "LIST", Type: List, DefaultText: "none", Section: SectionApplication, Since: "0.1", Reloadable: true,
		Check: aWarmup,
		Doc: "What each worker does before its first request. Separated by commas: a path such as /health, which the application is asked for, " +
			"or module:callable, which is called. A status of 500 or more, an exception, or more than `warmup_timeout` fail a start and a reload. " +
			"The environ of such a request has `speyside.warmup`.",
		own: func(a *App) any { return &a.Warmup },
	},
	{
		Name: "bind", Example: `["127.0.0.1:8000", "unix:/run/shop.sock"]`, Short: "b", Meta: "ADDRESS", Type: Addresses, Default: "127.0.0.1:8000",
		DefaultText: "127.0.0.1:8000, or 0.0.0.0:$PORT", Section: SectionAddresses, Since: "0.1",
		Env: "PORT", fromEnv: func(port string) string { return "0.0.0.0:" + port }, Gunicorn: "bind", Check: anAddress,
		Doc: "Where to listen: HOST:PORT, :PORT, [IPv6]:PORT, HOST, unix:PATH or fd://N; repeatable. The port is 8000 where there is none, " +
			"0 lets the kernel choose; `:PORT` is every IPv4 address of the machine. In the environment, several are separated by " +
			"commas. fd://N is a listening socket that was inherited; those of a service manager's socket units are listened on in any case, and alone where no address is given. An address that another server has is refused with exit code 1.",
		field: func(s *Settings) any { return &s.Bind },
	},
	{
		Name: "backlog", Meta: "INT", Type: Int, Default: "2048", Section: SectionAddresses, Since: "0.1",
		Gunicorn: "backlog", Check: between(1, 65535),
		Doc: "Connections that may wait in the kernel until they are accepted. From 1 to 65535; the kernel lowers it to " +
			"net.core.somaxconn. Connections above it are refused by the kernel.",
		field: func(s *Settings) any { return &s.Backlog },
	},
	{
		Name: "umask", Example: `0o117`, Short: "m", Meta: "INT", Type: Mode, Default: "0", Section: SectionAddresses, Since: "0.1",
		Gunicorn: "umask", Check: octalUpTo(0o777),
		Doc: "Permission bits that Unix sockets are made without. 0 lets every user connect, 0o117 the owner and the group. " +
			"As in gunicorn a number is octal with 0 or 0o in front, and decimal without.",
		field: func(s *Settings) any { return &s.Umask },
	},
	{
		Name: "workers", Example: `4`, Short: "w", Meta: "INT", Type: Int, Default: "auto",
		DefaultText: "auto; 1 for a script", Section: SectionWorkers, Since: "0.1",
		Reloadable: true, Env: "WEB_CONCURRENCY", Gunicorn: "workers", Check: between(1, 1024),
		Doc: "Worker processes. From 1 to 1024, or `auto`: as many as the machine or the cgroup grants CPUs, rounded up, and " +
			"not more than the memory of the cgroup has 128 MB for each; the banner says how that was reckoned. " +
			"With `workers_min` or `workers_max` it is how many there are at the start. " +
			"A script that is run as `FILE.py` gets 1 worker with 1 thread unless told otherwise, since it may keep state in globals.",
		auto: func(a *App, m machine) (n int) {
			n, a.reckoned = m.workers()
			return n
		},
		own: func(a *App) any { return &a.Workers },
	},
	{
		Name: "workers_min", Example: `2`, Meta: "INT", Type: Int, Default: "0", DefaultText: "0: as many as workers", Section: SectionWorkers, Since: "0.1",
		Reloadable: true, Check: between(0, 1024),
		Doc: "Fewest workers there are when little is to do. From 1 to 1024; 0 is as many as `workers`. With it, or with `workers_max`, the number of workers " +
			"follows the demand, and `workers` is how many there are at the start: one more comes when a request has waited for 0.1 seconds and no thread is free, one " +
			"leaves after `workers_calm`. lifecycle.md has the arithmetic. `workers = auto` is brought within the bounds; a number outside of them is refused.",
		own: func(a *App) any { return &a.WorkersMin },
	},
	{
		Name: "workers_max", Example: `8`, Meta: "INT", Type: Int, Default: "0", DefaultText: "0: as many as workers", Section: SectionWorkers, Since: "0.1",
		Reloadable: true, Check: between(0, 1024),
		Doc: "Most workers there are when much is to do. From 1 to 1024; 0 is as many as `workers`. See `workers_min`. A worker for which there is no " +
			"memory is not started; the log says so, with the figures. During a reload there may be more: see `reload_overlap`. Less than `workers_min` is refused.",
		own: func(a *App) any { return &a.WorkersMax },
	},
	{
		Name: "workers_calm", Example: `"1m"`, Meta: "TIME", Type: Duration, Default: "30s", Section: SectionWorkers, Since: "0.1",
		Reloadable: true, Check: aCalm,
		Doc: "How long fewer workers would have done before one leaves. Seconds, or a duration such as 1m30s, from 0.1 to 24h. It has a meaning with `workers_min` and " +
			"`workers_max` only. A worker that has to come back within this time stays for twice as long the next time, up to 16 times.",
		own: func(a *App) any { return &a.WorkersCalm },
	},
	{
		Name: "workers_memory", Example: `"2GB"`, Meta: "SIZE", Type: Size, Default: "0", DefaultText: "0: what the cgroup and the machine have", Section: SectionWorkers, Since: "0.1",
		Reloadable: true, Check: aMemoryLimit,
		Doc: "Memory beyond which demand brings no further worker. In bytes or with a unit, such as 2GB, at least 1MB; 0 is no limit but those of the cgroup and the " +
			"machine, which count in any case. It is what the zygotes and workers of the server have together, each its part of what they share (the sum of the PSS in " +
			"`speyside status`). It has a meaning with `workers_max` only, and ends no worker: `max_worker_memory` does.",
		own: func(a *App) any { return &a.WorkersMemory },
	},
	{
		Name: "threads", Meta: "INT", Type: Int, Default: "4", DefaultText: "4; 1 for a script", Section: SectionWorkers, Since: "0.1",
		Reloadable: true, Gunicorn: "threads", Check: between(1, 1024),
		Doc: "Threads of each worker that run requests. From 1 to 1024. With 1 the application runs on the worker's main thread, on " +
			"which signal handlers and some libraries insist.",
		own: func(a *App) any { return &a.Threads },
	},
	{
		Name: "switch_interval", Example: `"5ms"`, Meta: "TIME", Type: Duration, Default: "auto", Section: SectionWorkers, Since: "0.1",
		Reloadable: true, Check: aSwitchInterval,
		Doc: "How long Python lets a thread run while another one wants to (sys.setswitchinterval). `auto`: 0.0005 seconds while a " +
			"request computes beside others of its worker, else what Python or the application has set; `off`: nothing is set; " +
			"or seconds, from 0.00001 to 1. Shorter makes requests beside one that computes faster, and threads that all compute slower.",
		words: map[string]time.Duration{"auto": AutoSwitchInterval, "off": 0},
		own:   func(a *App) any { return &a.SwitchInterval },
	},
	{
		Name: "loops", Example: `2`, Meta: "INT", Type: Int, Default: "auto", DefaultText: "auto: 1 for each 8 CPUs",
		Section: SectionWorkers, Since: "0.1", Check: between(1, 64),
		Doc: "Event loops of the front, each on a thread of its own. From 1 to 64, or `auto`: 1 up to 8 CPUs, then one for each 8. " +
			"One loop feeds several CPUs full of Python; more are of use when replies are large or tiny.",
		auto:  func(_ *App, m machine) int { return max(1, m.cpus()/8) },
		field: func(s *Settings) any { return &s.Loops },
	},
	{
		Name: "reload_overlap", Example: `1`, Meta: "INT", Type: Int, Default: "auto", DefaultText: "auto: as many as workers",
		Section: SectionWorkers, Since: "0.1", Check: between(1, mostOverlap),
		Doc: "How many workers there may be at once during a reload beyond `workers`. From 1 to 4096, or `auto`: a whole new generation starts " +
			"beside the old one. With fewer, which saves memory, the new one takes over when that many are ready, and grows as the old one's finish and " +
			"leave; so there are fewer for a while. 0 is refused: a new generation must be ready before the old one leaves.",
		auto: func(*App, machine) int { return mostOverlap },
		own:  func(a *App) any { return &a.ReloadOverlap },
	},
	{
		Name: "max_requests", Example: `10000`, Meta: "INT", Type: Int, Default: "0", Section: SectionWorkers, Since: "0.1",
		Reloadable: true, Gunicorn: "max_requests", Check: between(0, 1<<30),
		Doc: "Requests after which a worker is recycled. From 0, which is no limit, to 1073741824. One worker at a time is, and serves on " +
			"until its successor is ready, so it may serve some more than that; the log says `worker recycled` and the reason. " +
			"A script that serves in its own process is not recycled.",
		own: func(a *App) any { return &a.MaxRequests },
	},
	{
		Name: "max_requests_jitter", Example: `1000`, Meta: "INT", Type: Int, Default: "0", Section: SectionWorkers, Since: "0.1",
		Reloadable: true, Gunicorn: "max_requests_jitter", Check: between(0, 1<<30),
		Doc: "Most requests that are added to max_requests. Each worker gets a random number of its own from 0 to this, so " +
			"that they do not reach their limits together.",
		own: func(a *App) any { return &a.MaxRequestsJitter },
	},
	{
		Name: "max_worker_lifetime", Example: `"12h"`, Meta: "TIME", Type: Duration, Default: "0", Section: SectionWorkers, Since: "0.1",
		Reloadable: true, Check: aSpan,
		Doc: "Age at which a worker is recycled. Seconds, or a duration such as 12h, up to 8760h; 0 is no limit. It goes as " +
			"with max_requests.",
		own: func(a *App) any { return &a.MaxWorkerLifetime },
	},
	{
		Name: "max_worker_lifetime_jitter", Example: `"1h"`, Meta: "TIME", Type: Duration, Default: "0", Section: SectionWorkers, Since: "0.1",
		Reloadable: true, Check: aSpan,
		Doc: "Longest time that is added to max_worker_lifetime. Each worker gets a random time of its own from 0 to this. " +
			"Seconds, or a duration.",
		own: func(a *App) any { return &a.MaxWorkerLifetimeJitter },
	},
	{
		Name: "max_worker_memory", Example: `"300MB"`, Meta: "SIZE", Type: Size, Default: "0", Section: SectionWorkers, Since: "0.1",
		Reloadable: true, Check: aMemoryLimit,
		Doc: "Memory past which a worker is recycled. In bytes or with a unit, such as 300MB, at least 1MB; 0 is no limit. It is the memory that the " +
			"worker has in RAM (RSS, as in `speyside status`), looked at once a second. It goes as with max_requests: no request is lost.",
		own: func(a *App) any { return &a.MaxWorkerMemory },
	},
	{
		Name: "max_worker_memory_hard", Example: `"500MB"`, Meta: "SIZE", Type: Size, Default: "0", Section: SectionWorkers, Since: "0.1",
		Reloadable: true, Check: aMemoryLimit,
		Doc: "Memory past which a worker is killed at once. In bytes or with a unit, as max_worker_memory, and more than that; 0 is no limit. " +
			"What it had started is lost with 502, and named in the log. It keeps one worker from taking the memory of all, and the kernel from " +
			"choosing whom to kill.",
		own: func(a *App) any { return &a.MaxWorkerMemoryHard },
	},
	{
		Name: "header_map", Example: `"refuse"`, Meta: "RULE", Type: String, Default: "drop", Section: SectionRequests, Since: "0.1", Reloadable: true,
		Gunicorn: "header_map", Check: oneOf(headerMaps...),
		Doc: "What becomes of request headers whose name has an underscore: drop, refuse or dangerous. In the environ " +
			"`X_User` could pass for `X-User`, which a proxy may have checked. `drop` leaves the header out and says so in the log, " +
			"`refuse` answers 400, `dangerous` hands it to the application as gunicorn does.",
		field: func(s *Settings) any { return &s.HeaderMap },
	},
	{
		Name: "root_path", Example: `"/shop"`, Meta: "PATH", Type: String, DefaultText: "none, or $SCRIPT_NAME", Section: SectionRequests, Since: "0.1",
		Env: "SCRIPT_NAME", Reloadable: true, Check: aRootPath,
		Doc: "Path under which the application is mounted: SCRIPT_NAME of its environ. PATH_INFO is what follows it; " +
			"a path that does not begin with it, as when a proxy has cut it off, stays whole. It begins with a slash and does not " +
			"end with one.",
		own: func(a *App) any { return &a.RootPath },
	},
	{
		Name: "forwarded_allow_ips", Example: `["10.0.0.0/8"]`, Meta: "LIST", Type: List, Default: "127.0.0.1,::1", Section: SectionProxies, Since: "0.1",
		Env: "FORWARDED_ALLOW_IPS", Reloadable: true, Gunicorn: "forwarded_allow_ips", Check: aNetwork,
		Doc: "Proxies whose headers are believed. Addresses, networks such as 10.0.0.0/8, or * for anyone who connects, separated by " +
			"commas; empty for none. A peer on a Unix socket always is believed. From others the headers of `secure_scheme_headers`, " +
			"`forwarder_headers` and `proxy_headers` mean nothing. docs/proxies.md shows what to set for which proxy.",
		field: func(s *Settings) any { return &s.ForwardedAllowIPs },
	},
	{
		Name: "secure_scheme_headers", Meta: "LIST", Type: List,
		Default:     "X-FORWARDED-PROTOCOL=ssl,X-FORWARDED-PROTO=https,X-FORWARDED-SSL=on",
		DefaultText: "X-FORWARDED-PROTO=https, and two more", Section: SectionProxies, Since: "0.1",
		Reloadable: true, Gunicorn: "secure_scheme_headers", Check: aSecureHeader,
		Doc: "Headers of a trusted proxy that say https: NAME=VALUE, separated by commas. wsgi.url_scheme is https when such a header " +
			"has this very value, and http when it has another. Two that disagree are answered with 400, since one of them is then " +
			"not the proxy's. Default: X-FORWARDED-PROTOCOL=ssl,X-FORWARDED-PROTO=https,X-FORWARDED-SSL=on, gunicorn's.",
		field: func(s *Settings) any { return &s.SecureSchemeHeaders },
	},
	{
		Name: "forwarder_headers", Meta: "LIST", Type: List, Default: "SCRIPT_NAME,PATH_INFO", Section: SectionProxies, Since: "0.1",
		Reloadable: true, Gunicorn: "forwarder_headers", Check: notEmpty,
		Doc: "Headers with an underscore that a trusted proxy may send. They count whatever `header_map` says; separated by commas, " +
			"* for all, empty for none. SCRIPT_NAME and PATH_INFO set what they are called; a path that begins with SCRIPT_NAME loses " +
			"it. Others, as REMOTE_USER, become HTTP_REMOTE_USER. A proxy that passes such headers on from its clients must remove them.",
		field: func(s *Settings) any { return &s.ForwarderHeaders },
	},
	{
		Name: "proxy_headers", Example: `"x-forwarded"`, Meta: "FAMILY", Type: String, Default: "off", Section: SectionProxies, Since: "0.1", Reloadable: true,
		Check: oneOf(proxyFamilies...),
		Doc: "Headers of a trusted proxy that say who the client is: off, x-forwarded or forwarded. They set REMOTE_ADDR, REMOTE_PORT, " +
			"SERVER_NAME, SERVER_PORT, HTTP_HOST and the scheme; X-Forwarded-Prefix sets SCRIPT_NAME. `forwarded` is RFC 7239. The client is the rightmost address that is " +
			"not in `forwarded_allow_ips`. The other family is not believed, and malformed ones are answered with 400. " +
			"The address that is connected stays in speyside.peer_addr.",
		field: func(s *Settings) any { return &s.ProxyHeaders },
	},
	{
		Name: "proxy_protocol", Example: `"v2"`, Bare: "auto", Meta: "MODE", Type: String, Default: "off", Section: SectionProxies, Since: "0.1", Reloadable: true,
		Gunicorn: "proxy_protocol", Check: oneOf(proxyProtocols...),
		Doc: "The PROXY protocol before the first request of a connection: off, v1, v2 or auto for both. The flag alone means auto. The " +
			"address in it takes the place of the peer's, also where `forwarded_allow_ips` is asked. A connection without such a " +
			"header is served as it is; a malformed one is answered with 400, and one from a peer that is not in `proxy_allow_ips` " +
			"with 403.",
		field: func(s *Settings) any { return &s.ProxyProtocol },
	},
	{
		Name: "proxy_allow_ips", Flag: "proxy-allow-from", Meta: "LIST", Type: List, Default: "127.0.0.1,::1", Section: SectionProxies,
		Since: "0.1", Reloadable: true, Gunicorn: "proxy_allow_ips", Check: aNetwork,
		Doc: "Peers that may speak the PROXY protocol. Addresses, networks such as 10.0.0.0/8, or * for anyone, separated by " +
			"commas; empty for none. A peer on a Unix socket always may.",
		field: func(s *Settings) any { return &s.ProxyAllowIPs },
	},
	{
		Name: "limit_request_line", Meta: "BYTES", Type: Int, Default: "8190", Section: SectionLimits, Since: "0.1",
		Reloadable: true, Gunicorn: "limit_request_line", Check: between(0, MaxHead),
		Doc: "Longest request line. In bytes, method, target and version together; 0 means no limit but that of the whole head, " +
			"65535. A longer one is answered with 414.",
		field: func(s *Settings) any { return &s.LimitRequestLine },
	},
	{
		Name: "limit_request_fields", Meta: "INT", Type: Int, Default: "100", Section: SectionLimits, Since: "0.1",
		Reloadable: true, Gunicorn: "limit_request_fields", Check: between(1, 1000),
		Doc:   "Most header fields of a request. From 1 to 1000. More are answered with 431.",
		field: func(s *Settings) any { return &s.LimitRequestFields },
	},
	{
		Name: "limit_request_field_size", Meta: "BYTES", Type: Int, Default: "8190", Section: SectionLimits, Since: "0.1",
		Reloadable: true, Gunicorn: "limit_request_field_size", Check: between(0, MaxHead),
		Doc: "Longest header field of a request. In bytes, name and value together; 0 means no limit but that of the whole head, " +
			"65535. A longer one is answered with 431.",
		field: func(s *Settings) any { return &s.LimitRequestFieldSize },
	},
	{
		Name: "limit_request_body", Example: `"10MB"`, Meta: "SIZE", Type: Size, Default: "1GB", Section: SectionLimits, Since: "0.1", Reloadable: true,
		Check: upToAPetabyte,
		Doc: "Largest body of a request. In bytes or with a unit (1 kB is 1024 bytes); 0 is any size. A larger one is " +
			"answered with 413 as soon as that is known: by its Content-Length before any of it is read, or when that much of it has come.",
		own: func(a *App) any { return &a.LimitRequestBody },
	},
	{
		Name: "stream_request", Example: `true`, Meta: "on|off", Type: Bool, Default: "off", Section: SectionBodies, Since: "0.1", Reloadable: true,
		Check: aSwitch,
		Doc: "Hand a request to the application when its head is complete, and its body as it arrives. on or off. With off the " +
			"body is complete before a worker is given the request, so a slow client holds no thread; with on it holds one, and the " +
			"application can work on what has come. A read of wsgi.input waits for bytes, and raises OSError when the client leaves " +
			"before the body is complete. A chunked body then has no CONTENT_LENGTH.",
		own: func(a *App) any { return &a.StreamRequest },
	},
	{
		Name: "route", Example: `["/upload/ limit_request_body=5GB timeout=5m"]`, Meta: "ROUTE", Type: Routes, DefaultText: "none", Section: SectionBodies, Since: "0.1", Reloadable: true,
		Check: aRoute,
		Doc: "Settings for the paths that begin with a prefix; repeatable. For instance '/upload/ stream_request=on " +
			"limit_request_body=5GB'. The prefix is compared with PATH_INFO, decoded; of several the longest counts. In the environment they are separated by " +
			"semicolons. An unknown setting is refused with the nearest known one.",
		own: func(a *App) any { return &a.Routes },
	},
	{
		Name: "spool_threshold", Meta: "SIZE", Type: Size, Default: "1MB", Section: SectionBodies, Since: "0.1",
		Check: sizeUpTo(MaxInMemory, "1MB"),
		Doc: "Largest body of a request that is kept in memory while it arrives. In bytes or with a unit, up to 1MB. A larger one " +
			"is kept in the spool, one nameless file; so is a smaller one when the memory for bodies, 4 MB, is taken.",
		field: func(s *Settings) any { return &s.SpoolThreshold },
	},
	{
		Name: "spool_limit", Meta: "SIZE", Type: Size, Default: "10GB", Section: SectionBodies, Since: "0.1", Check: upToAPetabyte,
		Doc: "How much of the disk the spool may take. It has large bodies, and what slow clients have not taken of replies. In bytes or with a " +
			"unit; 0 is as much as there is. A request whose body does not fit, or finds the disk full, is answered with 503 and " +
			"Retry-After; the log says so, and no other request notices. A reply that does not fit keeps its worker waiting.",
		field: func(s *Settings) any { return &s.SpoolLimit },
	},
	{
		Name: "tmp_upload_dir", Example: `"/var/tmp"`, Meta: "PATH", Type: Path, DefaultText: "$TMPDIR, or /tmp", Section: SectionBodies, Since: "0.1",
		Gunicorn: "tmp_upload_dir", Check: aDirectory,
		Doc: "Directory on whose file system the spool lies. The file has no name there. A directory that does not exist " +
			"is refused.",
		field: func(s *Settings) any { return &s.TmpUploadDir },
	},
	{
		Name: "queue_limit", Meta: "INT", Type: Int, Default: "2048", Section: SectionLimits, Since: "0.1",
		Reloadable: true, Check: between(0, 1_000_000),
		Doc: "Most requests that may wait for a worker; 0 for any number. One more is answered with 503 and Retry-After at once. This is the line of " +
			"the server itself, as `backlog` is the kernel's.",
		own: func(a *App) any { return &a.QueueLimit },
	},
	{
		Name: "max_connections", Meta: "INT", Type: Int, Default: "10000", Section: SectionLimits, Since: "0.1",
		Check: between(1, 1_000_000),
		Doc: "Most connections at once, of all loops together. From 1 to 1000000. Above it connections that idle are closed, the " +
			"one first that idled longest, then those that have had their last reply; when there is neither, new ones wait in the " +
			"backlog until one has gone. Each takes a descriptor; the soft limit on them is raised to the hard one, and when that is " +
			"too low the log says so and fewer are taken.",
		field: func(s *Settings) any { return &s.MaxConnections },
	},
	{
		Name: "keepalive", Flag: "keep-alive", Meta: "TIME", Type: Duration, Default: "75s", Section: SectionTimeouts, Since: "0.1",
		Reloadable: true, Gunicorn: "keepalive", Check: atMostADay,
		Doc: "How long a connection may idle between two requests. Seconds, or a duration such as 1m30s; 0 closes it after each " +
			"reply. It costs neither a worker nor a thread; keep it longer than that of a proxy in front.",
		field: func(s *Settings) any { return &s.KeepAlive },
	},
	{
		Name: "header_timeout", Meta: "TIME", Type: Duration, Default: "15s", Section: SectionTimeouts, Since: "0.1",
		Reloadable: true, Check: atMostADay,
		Doc: "How long the head of a request may take to arrive. Seconds, or a duration such as 1m30s; 0 waits for ever. It " +
			"begins with the head's first byte, for the first request of a connection when the connection is accepted. Past it " +
			"the answer is 408 and the connection is closed; one that has sent nothing is closed without a word.",
		field: func(s *Settings) any { return &s.HeaderTimeout },
	},
	{
		Name: "body_timeout", Meta: "TIME", Type: Duration, Default: "15s", Section: SectionTimeouts, Since: "0.1",
		Reloadable: true, Check: atMostADay,
		Doc: "How long a request body may come with less than 500 bytes a second. Seconds, or a duration such as 1m30s; 0 waits " +
			"for ever. A body that is complete within the time may be slower; one that is not must have brought 500 bytes for " +
			"each second of it, and so on. Else the answer is 408 and the connection is closed.",
		field: func(s *Settings) any { return &s.BodyTimeout },
	},
	{
		Name: "send_timeout", Meta: "TIME", Type: Duration, Default: "60s", Section: SectionTimeouts, Since: "0.1",
		Reloadable: true, Check: atMostADay,
		Doc: "How long a client may take nothing of a reply that waits for it. Seconds, or a duration such as 1m30s; 0 waits for " +
			"ever. Past it the connection is reset, and the application's iterable is closed. A client that takes some of it, " +
			"however slowly, is served on.",
		field: func(s *Settings) any { return &s.SendTimeout },
	},
	{
		Name: "abandon_after", Meta: "TIME", Type: Duration, Default: "1s", Section: SectionTimeouts, Since: "0.1",
		Reloadable: true, Check: atMostADay,
		Doc: "How long a request may still wait for a worker once its client has ended its side. Seconds, or a duration such as " +
			"500ms; 0 keeps it in line. Such a client has left, most often; one that has only no more to ask gets its answer when a " +
			"worker begins with it within the time, and else 503. The request of a client that resets the connection is dropped at " +
			"once; one that has been started is finished in any case, and can ask speyside.client_disconnected of its environ.",
		field: func(s *Settings) any { return &s.AbandonAfter },
	},
	{
		Name: "warmup_timeout", Meta: "TIME", Type: Duration, Default: "30s", Section: SectionTimeouts, Since: "0.1",
		Reloadable: true, Check: atMostADay,
		Doc: "How long a worker may take to warm up. Seconds, or a duration such as 1m30s; 0 for any time. See `warmup`.",
		own: func(a *App) any { return &a.WarmupTimeout },
	},
	{
		Name: "queue_timeout", Meta: "TIME", Type: Duration, Default: "30s", Section: SectionTimeouts, Since: "0.1",
		Reloadable: true, Check: atMostADay,
		Doc: "How long a request may wait until a worker begins with it. Seconds, or a duration such as 1m30s; 0 for any time. It is answered " +
			"with 503 and Retry-After then.",
		own: func(a *App) any { return &a.QueueTimeout },
	},
	{
		Name: "timeout", Short: "t", Meta: "TIME", Type: Duration, Default: "30s", Section: SectionTimeouts, Since: "0.1",
		Reloadable: true, Gunicorn: "timeout", Check: atMostADay,
		Doc: "How long the application may take to answer, and from block to block of its reply. What a slow client takes does " +
			"not count. Seconds, or a duration such as 1m30s; 0 for any time; a route may have its own. The client then gets a 504, the log " +
			"the Python stack, and the thread a `speyside.RequestTimeout`.",
		own: func(a *App) any { return &a.Timeout },
	},
	{
		Name: "timeout_grace", Meta: "TIME", Type: Duration, Default: "2s", Section: SectionTimeouts, Since: "0.1",
		Reloadable: true, Check: atMostADay,
		Doc: "How long a thread may go on when its request has timed out. Then its worker is replaced: another one starts, and this one is " +
			"killed when its other threads are done. Seconds, or a duration.",
		own: func(a *App) any { return &a.TimeoutGrace },
	},
	{
		Name: "graceful_timeout", Meta: "TIME", Type: Duration, Default: "30s", Section: SectionTimeouts, Since: "0.1",
		Reloadable: true, Gunicorn: "graceful_timeout", Check: atMostADay,
		Doc: "How long a stop waits for requests that are being served. Seconds, or a duration such as 1m30s; 0 does not wait. " +
			"It begins with INT or TERM; what is not finished then is cut off.",
		field: func(s *Settings) any { return &s.GracefulTimeout },
	},
	{
		Name: "drain_delay", Example: `"5s"`, Meta: "TIME", Type: Duration, Default: "0s", Section: SectionTimeouts, Since: "0.1", Reloadable: true, Check: atMostADay,
		Doc: "How long a stop goes on accepting while it says that it is not ready. Seconds, or a duration such as 1m30s. Load balancers that " +
			"look at `ready_path` have that time to send their clients elsewhere; who comes all the same is served. `graceful_timeout` " +
			"begins after it.",
		field: func(s *Settings) any { return &s.DrainDelay },
	},
	{
		Name: "health", Example: `true`, Meta: "on|off", Type: Bool, Default: "off", Section: SectionHealth, Since: "0.1", Check: aSwitch,
		Doc: "Answer health checks on the addresses of the application. on or off. With on, GET and HEAD of `live_path` and `ready_path` are " +
			"answered without a worker, whatever the application has there; see operating.md.",
		field: func(s *Settings) any { return &s.Health },
	},
	{
		Name: "admin_bind", Example: `["127.0.0.1:9000"]`, Meta: "ADDRESS", Type: Addresses, DefaultText: "none", Section: SectionHealth, Since: "0.1", Check: anAddress,
		Doc: "Where to listen for health checks alone, as in `bind`; repeatable. Nothing of the application is served there. It answers " +
			"from the start, while the application loads, and to the end of a stop.",
		field: func(s *Settings) any { return &s.AdminBind },
	},
	{
		Name: "live_path", Meta: "PATH", Type: String, Default: "/-/live", Section: SectionHealth, Since: "0.1", Check: aCheckPath,
		Doc: "Path of the health check that says whether the server runs. It is compared with the path as it was received, the " +
			"`root_path` included. It begins with a slash.",
		field: func(s *Settings) any { return &s.LivePath },
	},
	{
		Name: "ready_path", Meta: "PATH", Type: String, Default: "/-/ready", Section: SectionHealth, Since: "0.1", Check: aCheckPath,
		Doc: "Path of the health check that says whether a request that came now would be served. 200, or 503 with the reason: no worker is up, " +
			"the queue is full, every slot is in use, the server drains. It is compared as `live_path` is.",
		field: func(s *Settings) any { return &s.ReadyPath },
	},
	{
		Name: "daemon", Example: `true`, Short: "D", Meta: "on|off", Type: Bool, Default: "off", Section: SectionProcess, Since: "0.1",
		Gunicorn: "daemon", Check: aSwitch,
		Doc: "Run in the background. on or off; the flag alone means on. The command returns when the application is loaded and served, or with " +
			"what went wrong and its exit code. The server has then no terminal, /dev/null for what is read and printed, and 022 as the umask of " +
			"the application. Under a service manager (NOTIFY_SOCKET or LISTEN_FDS is set) and as process 1 it stays in the foreground, as it must, and says so.",
		field: func(s *Settings) any { return &s.Daemon },
	},
	{
		Name: "user", Example: `"shop"`, Short: "u", Meta: "USER", Type: String, DefaultText: "who starts it", Section: SectionProcess, Since: "0.1",
		Gunicorn: "user", Check: notEmpty,
		Doc: "User that the server runs as, a name or a number. As root it opens sockets, pid file and logs, and becomes that user before the " +
			"application is loaded: the front, too. Unix sockets and the pid file are the user's then. HOME and the like are left as they are: see `raw_env`. " +
			"Whoever is not root can only name himself.",
		field: func(s *Settings) any { return &s.User },
	},
	{
		Name: "group", Example: `"shop"`, Short: "g", Meta: "GROUP", Type: String, DefaultText: "that of the user", Section: SectionProcess, Since: "0.1",
		Gunicorn: "group", Check: notEmpty,
		Doc: "Group that the server runs as, a name or a number. It is in no other then, but for `initgroups`. A user that is only a number, without " +
			"an entry, has no group of its own, and gets that of whoever starts the server.",
		field: func(s *Settings) any { return &s.Group },
	},
	{
		Name: "initgroups", Example: `true`, Flag: "initgroups", Meta: "on|off", Type: Bool, Default: "off", Section: SectionProcess, Since: "0.1",
		Gunicorn: "initgroups", Check: aSwitch,
		Doc:   "Be in all groups of the `user`, besides `group`. on or off; the flag alone means on.",
		field: func(s *Settings) any { return &s.InitGroups },
	},
	{
		Name: "control_socket", Example: `"/run/shop.ctl"`, Meta: "PATH", Type: String, Default: ControlAbstract, Section: SectionControl, Since: "0.1",
		Gunicorn: "control_socket", Check: notEmpty,
		Doc: "Unix socket on which the server takes orders: a path, abstract or off. It tells of itself there, too. Abstract sockets are no " +
			"files, and `speyside status` finds them; a socket with a path has mode 0600. Either obeys the user of the server and root alone. When it " +
			"cannot be made the log says so, and the server serves.",
		field: func(s *Settings) any { return &s.ControlSocket },
	},
	{
		Name: "stats", Example: `["127.0.0.1:9191", "unix:/run/shop.stats"]`, Meta: "ADDRESS", Type: Addresses, DefaultText: "none", Section: SectionControl, Since: "0.1", Check: anAddress,
		Doc: "Where to tell the state of the server as uWSGI's stats server does. An address as in `bind`, repeatable; uwsgitop and collectors of metrics read it. Whoever connects is " +
			"sent one JSON document, and the connection ends; stats.md says what is in it. There is no password: who can connect can read it, :9191 is everybody on the network, and the log warns of such an address. One that is taken, or cannot be listened on, ends the start.",
		field: func(s *Settings) any { return &s.Stats },
	},
	{
		Name: "stats_form", Example: `["http", "minified"]`, Meta: "LIST", Type: List, DefaultText: "bare JSON, indented, with the threads", Section: SectionControl, Since: "0.1", Check: oneOf(StatsHTTP, StatsMinified, StatsNoCores),
		Doc:   "Form of what `stats` tells: http, minified, no-cores. http puts a head of HTTP before it, whatever was asked for; minified leaves out white space; no-cores the threads. Anything else is refused.",
		field: func(s *Settings) any { return &s.StatsForm },
	},
	{
		Name: "pidfile", Example: `"/run/shop.pid"`, Flag: "pid", Short: "p", Meta: "PATH", Type: Path, DefaultText: "none", Section: SectionControl, Since: "0.1",
		Gunicorn: "pidfile", Check: notEmpty,
		Doc: "File that has the pid of the server while it runs. A relative path starts at `chdir`. It is written whole before the application " +
			"is loaded, and removed at the end. A file with the pid of another process that runs is left alone, and the program exits with code 1.",
		field: func(s *Settings) any { return &s.PidFile },
	},
	{
		Name: "proc_name", Example: `"shop"`, Flag: "name", Short: "n", Meta: "NAME", Type: String, DefaultText: "the application", Section: SectionControl,
		Since: "0.1", Gunicorn: "proc_name", Check: notEmpty,
		Doc: "Name of this server, by which `speyside status` and the other commands choose it. Where it is given, `top` and `ps` show " +
			"its first 15 bytes, too.",
		field: func(s *Settings) any { return &s.ProcName },
	},
}
