package uwsgi

import "strings"

// names are separated by blanks.
func names(all string) []string { return strings.Fields(all) }

// keptRows are what the workers do.
func keptRows() []Row {
	return []Row{
		{Names: names("static-map"), Treatment: Module, Says: "`/prefix=directory`, files of it before the application; with Last-Modified and 304, sent by the front",
			apply: func(m *mapping, o Option) { m.staticMap(o, false) }},
		{Names: names("static-map2"), Treatment: Module, Says: "as `static-map`, with the prefix being part of the file's path", apply: func(m *mapping, o Option) { m.staticMap(o, true) }},
		{Names: names("check-static static-check"), Treatment: Module, Says: "a file of this directory counts before the application", apply: func(m *mapping, o Option) { m.staticMap(o, false) }},
		{Names: names("static-index"), Treatment: Module, apply: keep(func(p *Payload) *[]string { return &p.StaticIndex })},
		{Names: names("static-skip-ext"), Treatment: Module, apply: keep(func(p *Payload) *[]string { return &p.StaticSkip })},
		{Names: names("static-safe"), Treatment: Module, Says: "a directory that symbolic links may lead to",
			apply: func(m *mapping, o Option) { m.payload.StaticSafe = append(m.payload.StaticSafe, m.within(o.Value)) }},
		{Names: names("add-header"), Treatment: Module, Says: "on every reply of the application and every file", apply: func(m *mapping, o Option) { m.header(o) }},
		{Names: names("del-header rem-header"), Treatment: Module, apply: keep(func(p *Payload) *[]string { return &p.DelHeader })},
		{Names: names("import pyimport py-import python-import"), Treatment: Module, Says: "in each worker, before its first request",
			apply: keep(func(p *Payload) *[]string { return &p.Import })},
		{Names: names("shared-import shared-pyimport shared-py-import shared-python-import"), Treatment: Module, Says: "where the application is loaded, before it",
			apply: keep(func(p *Payload) *[]string { return &p.SharedImport })},
		{Names: names("pyargv"), Treatment: Module, Says: "`sys.argv`, separated by blanks", apply: keep(func(p *Payload) *[]string { return &p.Argv })},
		{Names: names("locks"), Treatment: Module, Says: "how many locks `uwsgi.lock(n)` has beside the first", apply: func(m *mapping, o Option) { m.locks(o) }},
		{Names: names("set set-ph set-placeholder"), Treatment: Module, Says: "a placeholder, and in `uwsgi.opt`", apply: func(*mapping, Option) {}},
		{Names: names("ini yaml yml json js config include inherit"), Treatment: Module, Says: "the file is read at its place; one that includes itself is an error", apply: func(*mapping, Option) {}},
		{Names: names("strict"), Treatment: Module, Says: "an unknown option is an error, which without it is listed", apply: func(m *mapping, o Option) { m.strict = truth(o) }},
	}
}

// otherRows are the options that have no effect, and those that stop the start.
func otherRows() []Row {
	return append(ignoredRows(), append(listedRows(), refusedRows()...)...)
}

func ignoredRows() []Row {
	says := func(says, all string) Row { return Row{Names: names(all), Treatment: Ignored, Says: says} }
	return []Row{
		says("the front is the master", "master master-as-root"),
		says("a Unix socket is removed at the end in any case", "vacuum"),
		says("a request may start threads in any case", "enable-threads threads-stacksize thread-stacksize threads-stack-size thread-stack-size no-threads-wait"),
		says("there is one interpreter", "single-interpreter"),
		says("without an application there is no start", "need-app"),
		{Names: names("die-on-term"), Treatment: Ignored, Says: "TERM ends the server, and lets requests finish; so it does without it, where it reloads uWSGI, and the log says so: HUP reloads",
			apply: func(m *mapping, o Option) { m.ends = truth(o) }},
		says("a client that leaves is no error", "ignore-sigpipe ignore-write-errors disable-write-exception write-errors-tolerance write-errors-exception-only"),
		says("workers end with the front", "no-orphans"),
		says("all workers take from one queue", "thunder-lock no-defer-accept reuse-port lock-engine ftok flock so-send-timeout"),
		says("the front sends files", "offload-threads offload-thread disable-sendfile file-serve-mode fileserve-mode"),
		says("replies without a length are chunked in any case", "http-auto-chunked http-chunked-input http-raw-body http-manage-expect chunked-input-timeout chunked-input-limit"),
		says("the log names a request that took too long, with its stack, in any case", "harakiri-verbose py-tracebacker harakiri-no-arh no-harakiri-arh no-harakiri-after-req-hook"),
		says("the environment of Speyside's Python is used", "plugin plugins plugins-dir plugin-dir need-plugin need-plugins py-executable python py py-sys-executable python-version binary-path autoload no-site"),
		says("Python's own hooks around a fork run in any case", "py-call-osafterfork py-call-uwsgi-fork-hooks"),
		says("a worker's successor is ready before it leaves", "min-worker-lifetime max-apps check-interval forkbomb-delay"),
		says("the log has the time in any case", "log-date logdate log-micros log-master log-master-bufsize log-ioerror logfile-chmod logfile-chown threaded-logger"),
		says("the wsgi way of PEP 3333", "wsgi-strict wsgi-env-behaviour wsgi-env-behavior wsgi-lite wsgi-accept-buffer wsgi-accept-buffers"),
		says("it is of another protocol", "http-modifier1 http-modifier2 http-socket-modifier1 http-socket-modifier2 fastcgi-modifier1 fastcgi-modifier2 scgi-modifier1 scgi-modifier2 raw-modifier1 raw-modifier2 max-vars"),
		says("the front is no process of its own for it", "http-processes http-workers http-events http-buffer-size http-gracetime http-cheap http-quiet http-harakiri http-connect-timeout http-to http-use-socket http-websockets"),
		says("there are no metrics of uWSGI's in `stats`", "stats-no-metrics metrics-no-cores"),
		says("nothing to do with serving", "cheaper-list cheaper-algo-list cheaper-algos-list show-config print iprint print-sym print-symbol exit dump-options post-buffering-bufsize upload-progress reaper close-on-exec close-on-exec2 tcp-nodelay max-fd"),
	}
}

func listedRows() []Row {
	says := func(says, all string) Row { return Row{Names: names(all), Treatment: Listed, Says: says} }
	return []Row{
		says("HUP and `speyside reload` load the application again: stop the server instead", "exit-on-reload"),
		says("lines of the access log have no memory in them: `speyside status`, `stats` and `uwsgi.mem()` tell that of each worker", "memory-report"),
		says("`speyside status --json` and the health checks tell that", "stats-push* enable-metrics metric* carbon* nagios snmp* rrdtool*"),
		says("one worker at a time comes, when the one before is ready: up to four in a second", "cheaper-step"),
		says("one more worker comes when a request has waited for 0.1 seconds and no thread is free; `workers_calm` says when one leaves", "cheaper-overload cheaper-busyness-*"),
		says("`max_worker_memory` recycles a worker that is too large; `workers_memory` only keeps further ones from coming", "cheaper-rss-limit-hard"),
		says("with `cheaper` the number of workers follows the demand, and one stays", "cheaper* cheap idle die-on-idle"),
		says("`speyside reload`, for instance after the copy: inotifywait or the deployment calls it", "touch-mules-reload touch-spoolers-reload touch-exec touch-signal touch-logrotate touch-logreopen fs-reload fs-brutal-reload fs-signal propagate-touch py-autoreload-ignore py-auto-reload-ignore"),
		says("`speyside reload`, `speyside stop`, `speyside scale` and signals do that", "master-fifo reload stop pause resume suspend start"),
		says("run a task queue (Celery, RQ, Huey) beside the server: spooler and mules come later", "spooler* mule* farm"),
		says("a systemd timer or cron does that: timers come later", "cron* unique-cron* timer rbtimer signal* legion-cron"),
		says("a unit or a line of the Procfile of its own does that", "attach-daemon* smart-attach-daemon* attach-control-daemon daemons-honour-stdin worker-exec*"),
		says("Redis or the cache of the framework does that: uWSGI's comes later", "cache* add-cache-item load-file-in-cache* queue* sharedarea static-cache-paths*"),
		says("run it before the server, as ExecStartPre= of the unit", "exec-* call-* hook-* wait-for-* wait-iface* wait-interface* after-request-hook after-request-call"),
		says("the header belongs to the application, or to the proxy in front", "static-expires* static-gzip* collect-header pull-header response-header-collect http-auto-gzip mimefile mime-file error-page-*"),
		says("access_log_only says which requests the access log has, and access_log_format what of them: docs/logging.md", "log-sendfile log-format-strftime logformat-strftime"),
		says("the log goes to standard error, and logrotate or the journal keeps it", "log-encoder log-req-encoder log-maxsize log-backupname log-truncate log-reopen log-socket log-prefix log-master-stream log-master-req-stream alarm*"),
		says("proxy_headers says which header has the client; docs/proxies.md", "log-x-forwarded-for http-manage-source"),
		says("systemd does that: CPUAffinity=, Nice=, MemoryMax=", "cpu-affinity prio ksm never-swap"),
		says("a worker with an exception in a request serves on", "reload-on-exception* reload-on-fd brutal-reload-on-fd catch-exceptions exception-handler"),
		says("requests time out whether others wait or not", "harakiri-queue-threshold harakiri-graceful-timeout harakiri-graceful-signal"),
		says("Speyside's Python is that of `python`; set PYTHONOPTIMIZE in its environment", "optimize"),
		says("each server is a service of its own; a proxy in front chooses", "subscribe* subscription* subscriptions* fastrouter* rawrouter* sslrouter* http-subscription-* http-resubscribe* http-stats* http-ss http-fallback http-use-* http-zerg legion* weight auto-weight unsubscribe-on-graceful-reload start-unsubscribed"),
		says("with `uid` and `gid` the groups are those that the user is in: make it a member of the group", "add-gid"),
		says("the server becomes the user before the application is loaded", "drop-after-init drop-after-apps"),
	}
}

func refusedRows() []Row {
	says := func(says, all string) Row { return Row{Names: names(all), Treatment: Refused, Says: says} }
	return []Row{
		says("TLS is not there yet: end it in the proxy in front, and serve it by http-socket", "https https2 https-socket http-to-https ssl-* suwsgi-socket sni* https-*"),
		says("the protocol is not spoken: use http-socket, and proxy_pass in nginx", "fastcgi-socket fastcgi-nph-socket scgi-socket scgi-nph-socket raw-socket puwsgi-socket udp zerg* zergpool map-socket abstract-socket shared-socket undeferred-shared-socket"),
		says("run it in a container, or use RootDirectory= of systemd", "chroot pivot-root pivot"),
		says("use a container, or systemd: PrivateTmp=, ProtectSystem=, RestrictNamespaces=", "namespace* ns ns-net unshare* setns* jailed mount-as-* mount-in-jail mount-post-jail mount-pre-jail mount-asap umount-* refork* re-fork*"),
		says("use Slice= and MemoryMax=, CPUQuota= of systemd", "cgroup*"),
		says("use TasksMax= of systemd, or ulimit -u", "limit-nproc"),
		says("use CapabilityBoundingSet= and AmbientCapabilities= of systemd", "cap"),
		says("use uid and gid: there is no process of another user for the router", "http-uid http-gid"),
		says("rules may refuse or change requests: put them into the proxy in front or into the application", "route* final-route* error-route* response-route*"),
		says("one server serves one application: start each with its own file, as a unit of its own", "emperor* vassal* vassals-* vhost vhost-host imperial-*"),
		says("an application is named by module or wsgi-file", "eval pump web3 pecan fallback-config"),
		says("it is another language, or another way to serve", "asyncio tornado greenlet coroae loop cgi-mode"),
		says("there is no such environment: write each into env", "envdir early-envdir unenv"),
		says("the application is imported as it is", "pymodule-alias post-pymodule-alias symcall* dlopen"),
		says("files in the forms ini, YAML and JSON are read: write its keys into one", "xml xmlconfig sqlite ldap config-py"),
	}
}
