// Package settings is the one place where a setting lives: table.go has an entry for each, and flags, environment variables,
// --help and docs/settings.md are derived from it. Most callers need Resolve, which turns arguments and environment into
// Settings; ParseBind reads one address.
//
// The package reads no file of the user's and starts nothing. Only the root package, cmd and tools import it: the
// parts of the server take small Options of their own.
package settings

import (
	"log/slog"
	"time"
)

// Version is the version of Speyside.
const Version = "0.1.0"

// Settings is what the operator wants, complete and checked. Each field is the entry of the same name in table.go.
type Settings struct {
	// Apps are the applications. There is one now; nothing that reads it may count on that.
	Apps []*App

	Config   string // the file, or ConfigOff; empty: to be found
	Ini      string // uWSGI's file in its place; empty: none
	YAML     string // the same, in another form
	JSON     string
	ProcName string // of the server, for people

	Bind      []Address // at least one; the paths of Unix sockets are absolute
	Backlog   int
	AdminBind []Address // for health checks alone; the paths of Unix sockets are absolute
	Stats     []Address // for the state in the form of uWSGI; the paths of Unix sockets are absolute
	StatsForm []string  // StatsHTTP, StatsMinified, StatsNoCores
	Umask     int
	Loops     int

	HeaderMap string // drop, refuse or dangerous

	ForwardedAllowIPs   []string // addresses, networks, "*"
	SecureSchemeHeaders []string // NAME=VALUE
	ForwarderHeaders    []string
	ProxyHeaders        string   // off, x-forwarded or forwarded
	ProxyProtocol       string   // off, v1, v2 or auto
	ProxyAllowIPs       []string // addresses, networks, "*"

	LimitRequestLine      int // in bytes
	LimitRequestFields    int
	LimitRequestFieldSize int // in bytes

	SpoolThreshold int64 // in bytes
	SpoolLimit     int64 // in bytes; 0: no limit
	TmpUploadDir   string

	MaxConnections int

	KeepAlive       time.Duration // 0: close after each reply
	HeaderTimeout   time.Duration // 0: wait for ever
	BodyTimeout     time.Duration // 0: wait for ever
	SendTimeout     time.Duration // 0: wait for ever
	AbandonAfter    time.Duration // 0: never
	GracefulTimeout time.Duration // 0: do not wait
	DrainDelay      time.Duration

	Health    bool   // checks are answered on Bind
	LivePath  string // of health checks
	ReadyPath string

	Daemon      bool
	User, Group string // names or numbers; empty: as it is started
	InitGroups  bool

	PidFile       string // absolute; empty: none
	ControlSocket string // ControlOff, control.Abstract, or an absolute path

	AccessLog       string // absolute; "-": standard output, empty: none
	AccessLogFormat string
	AccessLogOnly   []string // see Logged
	ErrorLog        string   // absolute; "-": standard error
	LogFormat       string   // text or json
	CaptureOutput   bool
	LogLevel        slog.Level

	Syslog                        bool
	SyslogAddr                    string
	SyslogPrefix                  string
	SyslogFacility                string
	DisableRedirectAccessToSyslog bool

	sources map[string]Source
}

// App is what the operator wants of one application.
type App struct {
	WSGIApp     string   // as it was written: module:callable, a file, a script
	Paste       string   // a PasteDeploy file, with # and a name or not; empty: WSGIApp is none
	PasteGlobal []string // NAME=VALUE
	Chdir       string   // absolute
	PythonPath  []string // absolute
	RawEnv      []string // NAME=VALUE
	Python      string   // absolute or a name to look up in PATH; empty: to be found
	Venv        string   // absolute; empty: to be found

	Workers int // with WorkersMin or WorkersMax at the start, else always
	Threads int

	WorkersMin, WorkersMax int           // between which the number follows the demand; 0: Workers
	WorkersCalm            time.Duration // before one leaves
	WorkersMemory          int64         // of all together, in bytes; 0: no limit

	// SwitchInterval is how long Python lets a thread run while another one wants to; 0: as Python has it, AutoSwitchInterval: as it
	// is needed.
	SwitchInterval time.Duration

	ReloadOverlap int // workers beyond Workers that there may be during a reload

	MaxRequests, MaxRequestsJitter             int           // 0: no limit
	MaxWorkerLifetime, MaxWorkerLifetimeJitter time.Duration // 0: no limit
	MaxWorkerMemory, MaxWorkerMemoryHard       int64         // in bytes; 0: no limit

	RootPath         string // "" or /path, without a slash at its end
	LimitRequestBody int64  // in bytes; 0: no limit
	StreamRequest    bool
	Routes           []Route

	Reload           bool     // when a source has changed
	ReloadExtraFiles []string // absolute paths or patterns
	TouchReload      []string // absolute paths

	Warmup        []string      // paths, or module:callable
	Preload       string        // auto, on or off
	WarmupTimeout time.Duration // 0: no limit

	QueueLimit   int           // 0: no limit
	QueueTimeout time.Duration // 0: no limit
	Timeout      time.Duration // 0: no limit
	TimeoutGrace time.Duration

	reckoned string // what Reckoned returns
}

// ConfigOff is what config is when no file is to be read.
const ConfigOff = "off"

// What stats_form may have.
const (
	StatsHTTP     = "http"     // a head of HTTP goes before the document
	StatsMinified = "minified" // it has no white space
	StatsNoCores  = "no-cores" // threads are left out
)

// LogJSON is what log_format is when a program reads the log.
const LogJSON = "json"

// Standard is what a log is called that goes to standard output, or standard error, rather than a file.
const Standard = "-"

// What control_socket may be instead of a path.
const (
	ControlOff      = "off"
	ControlAbstract = "abstract"
)
