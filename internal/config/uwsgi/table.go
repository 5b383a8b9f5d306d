package uwsgi

import (
	"strings"

	"speyside.dev/speyside/internal/settings"
)

// Treatment says what becomes of an option.
type Treatment string

// The treatments.
const (
	Mapped  Treatment = "mapped"  // it is a setting, or several
	Module  Treatment = "kept"    // the workers do it
	Ignored Treatment = "ignored" // nothing is lost
	Listed  Treatment = "listed"  // it has no effect; the log says so at the start, with what to do instead
	Refused Treatment = "refused" // the server does not start
)

// Row is what becomes of some options of uWSGI.
type Row struct {
	Names     []string // the first is the one that is documented, the others are its other spellings; NAME* is all that begin so
	Treatment Treatment
	Setting   string // of ours, where it is mapped to one; several are separated by commas
	Says      string // how it is mapped, why nothing is lost, or what to do instead

	apply func(m *mapping, o Option) // in the order of the file
}

// Rows returns the table, in the order of its documentation.
func Rows() []Row { return append(append(mappedRows(), keptRows()...), otherRows()...) }

// mappedRows are the options that are settings here.
func mappedRows() []Row {
	return append(applicationRows(), append(addressRows(), append(workerRows(), limitRows()...)...)...)
}

func applicationRows() []Row {
	return []Row{
		{Names: names("module wsgi"), Treatment: Mapped, Setting: "wsgi_app", Says: "`module:callable`, or the callable of `callable`",
			apply: func(m *mapping, o Option) { m.application(o, false) }},
		{Names: names("wsgi-file file"), Treatment: Mapped, Setting: "wsgi_app", Says: "`FILE:callable`",
			apply: func(m *mapping, o Option) { m.application(o, true) }},
		{Names: names("callable"), Treatment: Mapped, Setting: "wsgi_app", Says: "`application` where it is left out",
			apply: func(m *mapping, o Option) { m.callable = o.Value }},
		{Names: names("mount"), Treatment: Mapped, Setting: "wsgi_app,root_path", Says: "one mount: `/prefix=module:callable`, and see `manage-script-name`; more than one is refused, " +
			"several applications come later", apply: func(m *mapping, o Option) { m.mounts = append(m.mounts, o) }},
		{Names: names("manage-script-name"), Treatment: Mapped, Setting: "root_path", Says: "with `mount`; without it the application is given SCRIPT_NAME empty and the whole path, as in uWSGI. A path outside the mount has the SCRIPT_NAME, too, and is served",
			apply: func(m *mapping, o Option) { m.script = truth(o) }},
		{Names: names("paste ini-paste ini-paste-logged"), Treatment: Mapped, Setting: "paste", Says: "without its `config:`; the logging of the file is set up in any case",
			apply: func(m *mapping, o Option) { m.set("paste", o, strings.TrimPrefix(o.Value, "config:")) }},
		{Names: names("chdir"), Treatment: Mapped, Setting: "chdir", apply: text("chdir")},
		{Names: names("pythonpath python-path pp"), Treatment: Mapped, Setting: "pythonpath", apply: appendText("pythonpath")},
		{Names: names("virtualenv venv home pyhome"), Treatment: Mapped, Setting: "venv",
			apply: func(m *mapping, o Option) { m.set("venv", o, m.within(o.Value)) }},
		{Names: names("lazy-apps lazy"), Treatment: Mapped, Setting: "preload", Says: "off with it, on without",
			apply: func(m *mapping, o Option) { m.set("preload", o, offOn(truth(o))) }},
		{Names: names("env"), Treatment: Mapped, Setting: "raw_env", apply: appendText("raw_env")},
		{Names: names("touch-reload touch-chain-reload touch-workers-reload"), Treatment: Mapped, Setting: "touch_reload", Says: "the new workers are ready before the old ones leave",
			apply: appendText("touch_reload")},
		{Names: names("py-autoreload python-autoreload py-auto-reload python-auto-reload"), Treatment: Mapped, Setting: "reload",
			apply: func(m *mapping, o Option) { m.set("reload", o, onOff(o.Value != "0" && truth(o))) }},
	}
}

func addressRows() []Row {
	return []Row{
		{Names: names("http-socket http11-socket http"), Treatment: Mapped, Setting: "bind", Says: "no process of its own in front",
			apply: func(m *mapping, o Option) { m.bind(o) }},
		{Names: names("socket uwsgi-socket"), Treatment: Mapped, Setting: "bind", Says: "with `protocol = http`; else it is refused, or listed where `http` or `http-socket` stands " +
			"beside it: the uwsgi protocol is not spoken", apply: func(m *mapping, o Option) { m.sockets = append(m.sockets, o) }},
		{Names: names("protocol socket-protocol"), Treatment: Mapped, Setting: "bind", Says: "see `socket`",
			apply: func(m *mapping, o Option) { m.protocol = o.Value }},
		{Names: names("listen"), Treatment: Mapped, Setting: "backlog", apply: whole("backlog")},
		{Names: names("chmod-socket chmod"), Treatment: Mapped, Setting: "umask", Says: "the bits that it leaves out; 666 where it has no value",
			apply: func(m *mapping, o Option) { m.chmod(o) }},
		{Names: names("chown-socket"), Treatment: Mapped, Setting: "user,group", Says: "where it says the same as `uid` and `gid`, who own the sockets in any case; else it is refused",
			apply: func(m *mapping, o Option) { m.owner = o }},
		{Names: names("umask"), Treatment: Mapped, Setting: "umask", Says: "of Unix sockets alone, and `chmod-socket` counts before it; without either they are made with the umask of the process, which stays that of the application",
			apply: func(m *mapping, o Option) { m.umask(o) }},
		{Names: names("enable-proxy-protocol http-enable-proxy-protocol"), Treatment: Mapped, Setting: "proxy_protocol,proxy_allow_ips", Says: "from any peer, as in uWSGI",
			apply: func(m *mapping, o Option) {
				if truth(o) {
					m.set("proxy_protocol", o, "auto")
					m.set("proxy_allow_ips", o, "*")
				}
			}},
		{Names: names("stats stats-server"), Treatment: Mapped, Setting: "stats", Says: "the same document, [stats.md](stats.md); `:9191` is everybody on the network there and here, and the log warns; a name with @ is listed",
			apply: func(m *mapping, o Option) { m.stats(o) }},
		{Names: names("stats-http"), Treatment: Mapped, Setting: "stats_form", Says: "`http`", apply: func(m *mapping, o Option) { m.statsForm(o, settings.StatsHTTP) }},
		{Names: names("stats-minified stats-min"), Treatment: Mapped, Setting: "stats_form", Says: "`minified`", apply: func(m *mapping, o Option) { m.statsForm(o, settings.StatsMinified) }},
		{Names: names("stats-no-cores"), Treatment: Mapped, Setting: "stats_form", Says: "`no-cores`", apply: func(m *mapping, o Option) { m.statsForm(o, settings.StatsNoCores) }},
		{Names: names("uid immediate-uid"), Treatment: Mapped, Setting: "user", apply: text("user")},
		{Names: names("gid immediate-gid"), Treatment: Mapped, Setting: "group", apply: text("group")},
		{Names: names("no-initgroups"), Treatment: Mapped, Setting: "initgroups", Says: "off with it; on without it where `uid` and `gid` are there, as in uWSGI: the server is in all groups of the user",
			apply: func(m *mapping, o Option) { m.set("initgroups", o, offOn(truth(o))) }},
		{Names: names("pidfile safe-pidfile pidfile2 safe-pidfile2"), Treatment: Mapped, Setting: "pidfile", apply: text("pidfile")},
		{Names: names("procname"), Treatment: Mapped, Setting: "proc_name", Says: "in lists of processes zygote and workers are `NAME zygote` and `NAME worker 1`; the front is NAME, of which the kernel keeps 15 bytes",
			apply: title(func(t *titles) *string { return &t.name })},
		{Names: names("procname-master"), Treatment: Mapped, Setting: "proc_name", apply: title(func(t *titles) *string { return &t.master })},
		{Names: names("auto-procname"), Treatment: Mapped, Setting: "proc_name", Says: "`speyside zygote`, `speyside worker 1`; the front is `master` behind a prefix", apply: autoTitle},
		{Names: names("procname-prefix"), Treatment: Mapped, Setting: "proc_name", Says: "before these names, with or without `auto-procname`", apply: title(func(t *titles) *string { return &t.prefix })},
		{Names: names("procname-prefix-spaced"), Treatment: Mapped, Setting: "proc_name", Says: "the same and a blank", apply: title(func(t *titles) *string { return &t.spaced })},
		{Names: names("procname-append"), Treatment: Mapped, Setting: "proc_name", Says: "behind them", apply: title(func(t *titles) *string { return &t.after })},
		{Names: names("daemonize daemonize2"), Treatment: Mapped, Setting: "daemon,errorlog", Says: "its value is the log file",
			apply: func(m *mapping, o Option) { m.set("daemon", o, "on"); m.set("errorlog", o, o.Value) }},
		{Names: names("logto logto2"), Treatment: Mapped, Setting: "errorlog,accesslog", Says: "the access log is in the same file", apply: text("errorlog")},
		{Names: names("logger"), Treatment: Mapped, Setting: "errorlog,accesslog", Says: "`file:PATH`, `stdio:` and `syslog:`; the access log is there, too, unless `req-logger` has it. Other ways, a name before them, and a second one are listed",
			apply: func(m *mapping, o Option) { m.logger(o) }},
		{Names: names("log-syslog"), Treatment: Mapped, Setting: "syslog,syslog_addr,syslog_prefix,syslog_facility", Says: "`logger = syslog:NAME,FACILITY` means the same: " +
			"messages begin with NAME.error and NAME.access, and go to /dev/log; both logs stay where they are, too", apply: func(m *mapping, o Option) { m.syslogFlag(o) }},
		{Names: names("req-logger logger-req"), Treatment: Mapped, Setting: "accesslog", Says: "`file:PATH` and `stdio:`; others are listed", apply: func(m *mapping, o Option) { m.requestLogger(o) }},
		{Names: names("disable-logging"), Treatment: Mapped, Setting: "accesslog", Says: "on standard output without it, as uWSGI has a line for each request; off with it, " +
			"unless one of the next five says which requests have a line", apply: func(m *mapping, o Option) { m.quiet = truth(o) }},
		{Names: names("log-4xx"), Treatment: Mapped, Setting: "access_log_only", Says: "`4xx`; like the others it counts with `disable-logging`", apply: some("4xx")},
		{Names: names("log-5xx"), Treatment: Mapped, Setting: "access_log_only", Says: "`5xx`; a reply that was broken off, too", apply: some("5xx")},
		{Names: names("log-slow"), Treatment: Mapped, Setting: "access_log_only", Says: "`slow=`, in milliseconds", apply: least("slow", "ms")},
		{Names: names("log-big"), Treatment: Mapped, Setting: "access_log_only", Says: "`big=`, in bytes", apply: least("big", "")},
		{Names: names("log-zero"), Treatment: Mapped, Setting: "access_log_only", Says: "`empty`", apply: some("empty")},
		{Names: names("log-format logformat"), Treatment: Mapped, Setting: "access_log_format", Says: "its variables as atoms; what the front does not know is a hyphen, and named in the log",
			apply: func(m *mapping, o Option) { m.logFormat(o) }},
	}
}

func workerRows() []Row {
	return []Row{
		{Names: names("processes workers"), Treatment: Mapped, Setting: "workers", Says: "1 where it is left out", apply: whole("workers")},
		{Names: names("cheaper"), Treatment: Mapped, Setting: "workers_min,workers_max,workers", Says: "the fewest; `processes` is the most, and the number follows the demand: " +
			"[lifecycle.md](lifecycle.md#how-many-workers)", apply: func(m *mapping, o Option) { m.cheaper = o }},
		{Names: names("cheaper-initial"), Treatment: Mapped, Setting: "workers", Says: "with `cheaper`: how many there are at the start; as many as `cheaper` where it is left out",
			apply: func(m *mapping, o Option) { m.initial = o }},
		{Names: names("cheaper-algo"), Treatment: Mapped, Setting: "workers_max", Says: "`manual`: the number stays what `cheaper-initial` says, and `speyside scale` changes it; the " +
			"others are one and the same here, and the log says which", apply: func(m *mapping, o Option) { m.algorithm = o }},
		{Names: names("cheaper-rss-limit-soft"), Treatment: Mapped, Setting: "workers_memory", Says: "in bytes; what is shared counts once", apply: whole("workers_memory")},
		{Names: names("threads"), Treatment: Mapped, Setting: "threads", Says: "1 where it is left out", apply: whole("threads")},
		{Names: names("gevent ugreen async"), Treatment: Mapped, Setting: "threads", Says: "so many threads, 16 at most; nothing is monkey-patched, and the log says so",
			apply: func(m *mapping, o Option) { m.greenlets(o) }},
		{Names: names("max-requests"), Treatment: Mapped, Setting: "max_requests", apply: whole("max_requests")},
		{Names: names("max-requests-delta"), Treatment: Mapped, Setting: "max_requests_jitter", Says: "a random number up to it", apply: whole("max_requests_jitter")},
		{Names: names("max-worker-lifetime"), Treatment: Mapped, Setting: "max_worker_lifetime", apply: seconds("max_worker_lifetime")},
		{Names: names("max-worker-lifetime-delta"), Treatment: Mapped, Setting: "max_worker_lifetime_jitter", Says: "a random time up to it",
			apply: seconds("max_worker_lifetime_jitter")},
		{Names: names("reload-on-rss"), Treatment: Mapped, Setting: "max_worker_memory", apply: megabytes("max_worker_memory")},
		{Names: names("evil-reload-on-rss"), Treatment: Mapped, Setting: "max_worker_memory_hard", apply: megabytes("max_worker_memory_hard")},
		{Names: names("limit-as evil-reload-on-as"), Treatment: Mapped, Setting: "max_worker_memory_hard", Says: "memory in RAM, which is less than the address space",
			apply: megabytes("max_worker_memory_hard")},
		{Names: names("reload-on-as"), Treatment: Mapped, Setting: "max_worker_memory", Says: "memory in RAM, which is less than the address space",
			apply: megabytes("max_worker_memory")},
	}
}

func limitRows() []Row {
	return []Row{
		{Names: names("harakiri"), Treatment: Mapped, Setting: "timeout", Says: "off where it is left out; the thread is interrupted, and the worker replaced only if that does not help",
			apply: seconds("timeout")},
		{Names: names("reload-mercy worker-reload-mercy"), Treatment: Mapped, Setting: "graceful_timeout", Says: "60 where it is left out", apply: seconds("graceful_timeout")},
		{Names: names("http-timeout socket-timeout"), Treatment: Mapped, Setting: "body_timeout,send_timeout", Says: "what the client may take; `harakiri` is the application's time",
			apply: func(m *mapping, o Option) { seconds("body_timeout")(m, o); seconds("send_timeout")(m, o) }},
		{Names: names("http-headers-timeout"), Treatment: Mapped, Setting: "header_timeout", apply: seconds("header_timeout")},
		{Names: names("http-keepalive so-keepalive"), Treatment: Mapped, Setting: "keepalive", Says: "2 and more are seconds; connections are kept in any case",
			apply: func(m *mapping, o Option) { m.keepalive(o) }},
		{Names: names("limit-post"), Treatment: Mapped, Setting: "limit_request_body", apply: whole("limit_request_body")},
		{Names: names("post-buffering"), Treatment: Mapped, Setting: "spool_threshold", Says: "1MB at most; bodies are complete before a worker sees them in any case",
			apply: func(m *mapping, o Option) { m.spool(o) }},
		{Names: names("buffer-size"), Treatment: Mapped, Setting: "limit_request_line,limit_request_field_size", Says: "of each line; a whole head has 64 kB at most",
			apply: func(m *mapping, o Option) { m.buffer(o) }},
	}
}
