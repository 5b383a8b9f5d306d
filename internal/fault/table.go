package fault

// table is filled by the declarations below, before anything else runs, and never changes after.
var table []*Fault

func declare(f Fault) *Fault {
	table = append(table, &f)
	return &f
}

// The operator's: settings, addresses, Python. SPY00xx.
var (
	// SettingInvalid: a setting has a value it cannot have.
	SettingInvalid = declare(Fault{
		Code: "SPY0001", Name: "SettingInvalid", Whose: Operator, Exit: ExitConfiguration,
		Text: "a setting has a value it cannot have",
		Hint: "speyside --help lists every setting; docs/settings.md explains each with its range.",
		About: "The message names the setting, where the value came from (a flag or an environment variable) and what would be " +
			"accepted. Nothing has been started.",
	})
	// Usage: the command line cannot be understood.
	Usage = declare(Fault{
		Code: "SPY0002", Name: "Usage", Whose: Operator, Exit: ExitUsage,
		Text: "the command line cannot be understood",
		Hint: "speyside --help lists every flag.",
		About: "An unknown flag, a flag without its value, no application, or more than one. When a known flag is spelled nearly " +
			"the same, the hint names it.",
	})
	// ConfigurationUnreadable: the file is not there, or cannot be read.
	ConfigurationUnreadable = declare(Fault{
		Code: "SPY0030", Name: "ConfigurationUnreadable", Whose: Operator, Exit: ExitConfiguration,
		Text:  "the configuration cannot be read",
		Hint:  "check the path of --config, and that the user of the server may read it.",
		About: "The file does not exist, is a directory, has more than 1 MiB, may not be read by this user, or is of a kind that is not known.",
	})
	// ConfigurationMalformed: the file is not what its name says.
	ConfigurationMalformed = declare(Fault{
		Code: "SPY0031", Name: "ConfigurationMalformed", Whose: Operator, Exit: ExitConfiguration,
		Text:  "the configuration is malformed",
		Hint:  "mend it at the line that the message names.",
		About: "The file is not well-formed, as TOML most often: a quote or a bracket is missing, or a key is there twice. Nothing of it counts then.",
	})
	// OptionRefused: another server's option protects or shapes the service, and cannot be honoured.
	OptionRefused = declare(Fault{
		Code: "SPY0080", Name: "OptionRefused", Whose: Operator, Exit: ExitConfiguration,
		Text: "an option of uWSGI or Twisted cannot be honoured",
		Hint: "docs/migrating-uwsgi.md says of each option what becomes of it.",
		About: "The option protects the service or decides what is served, so the server does not start without it. The hint says what to do instead. Options " +
			"that are of no consequence are ignored, and others are listed in the log at the start.",
	})
	// SettingUnknown: a configuration names a setting that there is not.
	SettingUnknown = declare(Fault{
		Code: "SPY0032", Name: "SettingUnknown", Whose: Operator, Exit: ExitConfiguration,
		Text: "the configuration has a setting that there is not",
		Hint: "docs/settings.md lists every setting.",
		About: "The message names the file and the line; when a setting is spelled nearly the same, the hint names it. A setting of the server, such as " +
			"`bind`, stands above the table [app].",
	})
	// AddressInUse: another process listens there.
	AddressInUse = declare(Fault{
		Code: "SPY0003", Name: "AddressInUse", Whose: Operator, Exit: ExitConfiguration,
		Text: "another process listens on this address",
		Hint: "stop the other server, or choose another address with --bind.",
		About: "Speyside never shares a port with another server, whatever socket options that one uses: two servers that take " +
			"turns are harder to notice than one that does not start. `ss -ltnp` shows who listens.",
	})
	// AddressNotBindable: the kernel refuses the address.
	AddressNotBindable = declare(Fault{
		Code: "SPY0004", Name: "AddressNotBindable", Whose: Operator, Exit: ExitConfiguration,
		Text: "this address cannot be listened on",
		Hint: "choose an address of this machine and a port you may use, with --bind.",
		About: "The address is not one of this machine, the host name has no address, the port is below 1024 and the user may not " +
			"use it, or the directory of a Unix socket does not exist or may not be written.",
	})
	// PidFileHeld: another process lives whose pid the file has.
	PidFileHeld = declare(Fault{
		Code: "SPY0016", Name: "PidFileHeld", Whose: Operator, Exit: ExitConfiguration,
		Text: "the pid file is that of another process",
		Hint: "stop that process, or choose another file with --pid.",
		About: "The file of `pidfile` has the pid of a process that runs and is not younger than the file: most likely the same server, started a " +
			"second time. A file that was left by a process that has ended is replaced.",
	})
	// PidFileNotWritten: the file cannot be made.
	PidFileNotWritten = declare(Fault{
		Code: "SPY0017", Name: "PidFileNotWritten", Whose: Operator, Exit: ExitConfiguration,
		Text:  "the pid file could not be written",
		Hint:  "choose a file in a directory that exists and that the server's user may write, with --pid.",
		About: "The pid is written to a file beside it, which then takes its place, so the user must be allowed to make files in that directory.",
	})
	// UserNotChanged: the server may not become the user.
	UserNotChanged = declare(Fault{
		Code: "SPY0060", Name: "UserNotChanged", Whose: Operator, Exit: ExitConfiguration,
		Text: "the server may not run as that user",
		Hint: "start it as root, or as that user without --user and --group.",
		About: "Only root can make a process somebody else's; in a container root may have been denied it (the capabilities SETUID and SETGID). Naming the user and " +
			"group that the server is started as is nothing to change, and works for anybody.",
	})
	// NotDetached: the daemon could not be started, or was killed before it served.
	NotDetached = declare(Fault{
		Code: "SPY0061", Name: "NotDetached", Whose: Operator, Exit: ExitConfiguration,
		Text: "the server could not be left in the background",
		Hint: "start it without --daemon, which shows what happens.",
		About: "With `daemon` the program starts itself once more, in a session of its own, and waits until that serves. It could not be started, or something " +
			"has killed it before. What goes wrong in any other way has its own code and exit code, as without `daemon`.",
	})
	// UpgradeFailed: the new program did not take over.
	UpgradeFailed = declare(Fault{
		Code: "SPY0018", Name: "UpgradeFailed", Whose: Operator, Exit: ExitConfiguration,
		Text: "the new program did not take over",
		Hint: "the lines above say what the new program had against it; the server before it serves on.",
		About: "After USR2 the program is started anew beside the server, and takes over when the application is loaded and every worker is ready. " +
			"It ended before that, could not be started, or one of its workers died; nothing has changed for clients.",
	})
	// UpgradeRefused: the server was not upgraded, since that would end the service.
	UpgradeRefused = declare(Fault{
		Code: "SPY0019", Name: "UpgradeRefused", Whose: Operator, Warning: true,
		Text: "the program cannot be replaced here",
		Hint: "replace the program and restart the service; SIGHUP loads the application anew.",
		About: "After an upgrade the server has another pid. As process 1 of a container, under supervisord, and under systemd without " +
			"Type=notify the end of the first process is the end of the service, so USR2 is refused; while the server starts, stops or is " +
			"being upgraded already, too.",
	})
	// CallerGone: a front was started for a process that is not there.
	CallerGone = declare(Fault{
		Code: "SPY0085", Name: "CallerGone", Whose: Operator, Exit: ExitConfiguration,
		Text: "the process that this front was to serve for is gone",
		Hint: "nothing is to be done where that process has just ended; else make servers with speyside.simple_server or speyside.serve.",
		About: "A server that a Python process makes for itself has a front of its own, which that process starts and which ends with it. It ended " +
			"before the front had begun, or the front was started by hand.",
	})
	// FrontLost: the front of a server that a Python process has made for itself is gone.
	FrontLost = declare(Fault{
		Code: "SPY0086", Name: "FrontLost", Whose: Operator, Warning: true,
		Text: "the front of a server inside a Python process has ended by itself",
		Hint: "see what it has written to stderr, and who may have killed it; calling serve_forever() again starts another one.",
		About: "serve_forever(), handle_request() and speyside.serve() raise it as speyside.front.FrontLost. The front is a process of its own, which " +
			"has the connections: requests that were under way are lost, what the application did is not. The listening socket is still open.",
	})
	// PythonNotFound: there is no Python to run the application with.
	PythonNotFound = declare(Fault{
		Code: "SPY0005", Name: "PythonNotFound", Whose: Operator, Exit: ExitConfiguration,
		Text:  "no Python was found to run the application with",
		Hint:  "name the interpreter with --python, or activate the virtual environment of the application.",
		About: "The message names every place that was looked at.",
	})
	// PythonTooOld: the Python found is older than 3.11.
	PythonTooOld = declare(Fault{
		Code: "SPY0006", Name: "PythonTooOld", Whose: Operator, Exit: ExitConfiguration,
		Text:  "this Python is older than 3.11",
		Hint:  "make the virtual environment with Python 3.11 or newer, or name another interpreter with --python.",
		About: "The extension uses the stable ABI of Python 3.11.",
	})
	// ExtensionMissing: the Python found has no Speyside in it.
	ExtensionMissing = declare(Fault{
		Code: "SPY0007", Name: "ExtensionMissing", Whose: Operator, Exit: ExitConfiguration,
		Text: "this Python cannot import Speyside's extension",
		Hint: "install speyside with the pip of that Python, or name another interpreter with --python.",
		About: "The program that serves and the Python that runs the application are two processes; the Python needs the `speyside` " +
			"package, of the same version. The message names the interpreter and what its import said.",
	})
	// VenvUnusable: there is no virtual environment to use where there should be one.
	VenvUnusable = declare(Fault{
		Code: "SPY0070", Name: "VenvUnusable", Whose: Operator, Exit: ExitConfiguration,
		Text: "the virtual environment cannot be used",
		Hint: "make it anew, python3 -m venv PATH, and install the application's requirements; or name another with --venv, or the interpreter with --python.",
		About: "The environment that `venv` names, that of VIRTUAL_ENV, or .venv, venv or env in the project: it is not there, has no whole pyvenv.cfg, or " +
			"the Python that it was made of is gone, as after an upgrade of the system. No other Python is tried: it would not have what the application needs.",
	})
	// ApplicationAmbiguous: nobody named an application, and several were found.
	ApplicationAmbiguous = declare(Fault{
		Code: "SPY0071", Name: "ApplicationAmbiguous", Whose: Operator, Exit: ExitUsage,
		Text: "several applications may be meant",
		Hint: "name one of them.",
		About: "No application was named, and the project has several that do not lead to one another: starting.md says where is looked. The hint has the command " +
			"for each. Nothing has been started.",
	})
	// PasteUnknown: a PasteDeploy file has no such application.
	PasteUnknown = declare(Fault{
		Code: "SPY0072", Name: "PasteUnknown", Whose: Operator, Exit: ExitConfiguration,
		Text:  "the PasteDeploy file has no such application",
		Hint:  "name one as FILE#NAME; without a name it is main.",
		About: "The application is a section of the file: [app:NAME], [composite:NAME], [pipeline:NAME] or [filter-app:NAME]. The hint names those that are there.",
	})
	// PlatformNotSupported: this system is not Linux.
	PlatformNotSupported = declare(Fault{
		Code: "SPY0008", Name: "PlatformNotSupported", Whose: Speyside, Exit: ExitConfiguration,
		Text:  "Speyside runs on Linux only, for now",
		Hint:  "run it in a Linux container or virtual machine.",
		About: "The server stands on epoll, memfd, pidfd and futex, which are Linux's. On other systems the program builds and says so.",
	})
	// SpoolFull: a request's body, or an unread reply, could not be kept.
	SpoolFull = declare(Fault{
		Code: "SPY0010", Name: "SpoolFull", Whose: Operator, Status: 503,
		Text: "the spool has no room",
		Hint: "make room on the disk, name another with --tmp-upload-dir, or allow more with --spool-limit.",
		About: "Bodies larger than `spool_threshold` wait in a nameless file until they are complete, and complete replies until " +
			"clients that are slow to read have taken them. Without room, a request with such a body is answered with 503 and " +
			"Retry-After, and no other one notices; replies stay in the memory shared with the workers, which wait for those " +
			"clients when it is used up. Nothing is lost.",
	})
	// SpoolNotMade: there is no place for large bodies.
	SpoolNotMade = declare(Fault{
		Code: "SPY0011", Name: "SpoolNotMade", Whose: Operator, Exit: ExitConfiguration,
		Text: "the spool for large bodies cannot be opened",
		Hint: "name a directory that can be written with --tmp-upload-dir.",
		About: "Bodies larger than `spool_threshold` wait in one nameless file, which is opened at the start in `tmp_upload_dir`, else in " +
			"$TMPDIR or /tmp.",
	})
	// DescriptorsUsedUp: a file of the application could not be taken over.
	DescriptorsUsedUp = declare(Fault{
		Code: "SPY0012", Name: "DescriptorsUsedUp", Whose: Operator, Status: 503,
		Text: "no descriptor was left for a file that the application returned",
		Hint: "raise the hard limit on descriptors (ulimit -Hn, LimitNOFILE= in systemd) or lower --max-connections.",
		About: "A file that is returned through wsgi.file_wrapper is sent by the front, which needs a descriptor for it beside the " +
			"connection's. The client got a 503.",
	})
	// ControlNotMade: there is no control socket.
	ControlNotMade = declare(Fault{
		Code: "SPY0020", Name: "ControlNotMade", Whose: Operator, Warning: true,
		Text: "the control socket could not be made",
		Hint: "name another path with --control-socket, or do without it with --control-socket off.",
		About: "The server serves all the same; `speyside status`, `speyside reload` and `speyside stop` do not find it. Signals work, see " +
			"signals.md.",
	})
	// ServerNotFound: a command finds no server to ask.
	ServerNotFound = declare(Fault{
		Code: "SPY0021", Name: "ServerNotFound", Whose: Operator, Exit: ExitConfiguration,
		Text: "no such server is running",
		Hint: "speyside status lists the servers of this user; name the socket with --control-socket where the server has a path for it.",
		About: "A command looks for the servers of its own user, and of all users for root, in the same network namespace: within a " +
			"container, run it there. A server with `control_socket` off is never found.",
	})
	// ServerAmbiguous: a command finds more than one.
	ServerAmbiguous = declare(Fault{
		Code: "SPY0022", Name: "ServerAmbiguous", Whose: Operator, Exit: ExitUsage,
		Text:  "more than one server is running",
		Hint:  "choose one with --pid or --name; speyside status lists them.",
		About: "An order is for one server. Nothing has been done.",
	})
	// NotScaled: the server cannot have that many workers.
	NotScaled = declare(Fault{
		Code: "SPY0024", Name: "NotScaled", Whose: Operator, Exit: ExitConfiguration,
		Text: "the server cannot have that many workers",
		Hint: "start it with more --workers: there is room for twice as many as it began with, and for 16 at least.",
		About: "`speyside scale`, TTIN and TTOU change how many workers there are, from 1 to twice the number at the start, or 16 if that is " +
			"more. The shared memory is laid out for as many. Where the number follows the demand it is from `workers_min` to `workers_max`. Nothing has changed.",
	})
	// WorkerDoesNotFit: requests wait, and there is no memory for one more worker.
	WorkerDoesNotFit = declare(Fault{
		Code: "SPY0025", Name: "WorkerDoesNotFit", Whose: Operator, Warning: true,
		Text: "there is no memory for one more worker",
		Hint: "give it more memory, or lower workers_max; `speyside status` shows what workers have.",
		About: "Requests wait, there are fewer workers than `workers_max`, and a further one would not fit: it is reckoned with as much memory as the largest that " +
			"there is (PSS). The log says how much is left, and of what: `workers_memory`, the control group, or the machine. It is looked at again every five " +
			"seconds, and told again only after one has fitted.",
	})
	// ServerSilent: a server does not answer a command.
	ServerSilent = declare(Fault{
		Code: "SPY0023", Name: "ServerSilent", Whose: Operator, Exit: ExitConfiguration,
		Text: "the server does not answer",
		Hint: "look at its log; signals work without the control socket, see docs/signals.md.",
		About: "The control socket is there, and nobody answered on it within five seconds, or the answer was none: the process may be " +
			"stopped, or have ended meanwhile.",
	})
	// SegmentNotMade: the shared memory could not be made.
	SegmentNotMade = declare(Fault{
		Code: "SPY0009", Name: "SegmentNotMade", Whose: Operator, Exit: ExitConfiguration,
		Text: "the memory shared with the workers could not be made",
		Hint: "give the container more memory, or use fewer --workers or --threads.",
		About: "The segment is one sealed memfd, made before the application is loaded. Making it fails when memory or file " +
			"descriptors are short, or where memfd_create is forbidden (a seccomp profile).",
	})
	// ConfigurationFailed: a configuration that is a program did not come to its end.
	ConfigurationFailed = declare(Fault{
		Code: "SPY0040", Name: "ConfigurationFailed", Whose: Operator, Exit: ExitConfiguration,
		Text: "the configuration file could not be executed",
		Hint: "`python FILE` in the same directory shows the same, most often; a traceback above ends in the line that raised.",
		About: "A gunicorn.conf.py is a program of Python, executed in the application's interpreter before anything is started. It could not " +
			"be read, is no Python, raised an exception, called sys.exit, or did not end in time; or one of its hooks is no function with the " +
			"arguments that hook has. The message names file and line. At a reload the server keeps the configuration that it has.",
	})
	// GunicornRefused: a setting of gunicorn cannot be honoured.
	GunicornRefused = declare(Fault{
		Code: "SPY0050", Name: "GunicornRefused", Whose: Operator, Exit: ExitConfiguration,
		Text: "a setting of gunicorn is in use that Speyside does not honour",
		Hint: "leave it out, or do what it does in the application or in a proxy.",
		About: "A gunicorn.conf.py, GUNICORN_CMD_ARGS or a flag asks for something that protects or shapes the service, such as TLS, and that " +
			"is not there. To serve without it might be worse than not to serve, so nothing has been started. The message names the setting and " +
			"the line or flag that it comes from, the hint what to do instead; settings with which nothing is lost are ignored.",
	})
	// HookFailed: a hook of the configuration raised.
	HookFailed = declare(Fault{
		Code: "SPY0041", Name: "HookFailed", Whose: Operator, Exit: ExitConfiguration,
		Text: "a hook of the configuration raised an exception",
		Hint: "the traceback above ends in the line that raised.",
		About: "A hook of gunicorn.conf.py that is called beside the front raised, or called sys.exit. on_starting, when_ready, pre_fork, and " +
			"nworkers_changed end the start, on_reload and pre_fork a reload, after which the generation before goes on, and pre_exec an upgrade. " +
			"While the server serves, what child_exit, nworkers_changed, pre_fork and on_exit raise is logged; no worker is forked without pre_fork.",
	})
	// WorkerHookFailed: a hook of the configuration raised in a worker.
	WorkerHookFailed = declare(Fault{
		Code: "SPY0042", Name: "WorkerHookFailed", Whose: Operator, Exit: ExitImport,
		Text: "a hook of the configuration raised an exception in a worker",
		Hint: "the traceback above ends in the line that raised.",
		About: "A hook of gunicorn.conf.py that is called in a worker raised, or called sys.exit. post_fork and post_worker_init end the worker, " +
			"and the start or the reload when no full set of workers has been ready; pre_request is answered with 500; what the others raise is logged.",
	})
	// ForwardedInvalid: a trusted proxy sent headers that cannot be believed.
	ForwardedInvalid = declare(Fault{
		Code: "SPY0013", Name: "ForwardedInvalid", Whose: Operator, Status: 400,
		Text: "a trusted proxy sent headers that cannot be believed",
		Hint: "have the proxy set its headers itself and remove those that clients send; docs/proxies.md shows how.",
		About: "The peer is in `forwarded_allow_ips`, and headers by which it says who the client is, or by which scheme it came, are " +
			"malformed or disagree. Most often the proxy passes on what its client has written. The log line says which rule was " +
			"broken. At most 10 such lines are written a minute; requests beyond are refused, too, and counted.",
	})
	// PreambleInvalid: the PROXY protocol was spoken wrongly.
	PreambleInvalid = declare(Fault{
		Code: "SPY0014", Name: "PreambleInvalid", Whose: Operator, Status: 400,
		Text: "a connection began with a malformed PROXY protocol header",
		Hint: "compare the version that the proxy sends with --proxy-protocol.",
		About: "The log line has the peer and what is wrong with the header. The connection was closed. At most 10 such lines are " +
			"written a minute.",
	})
	// PreambleForbidden: the PROXY protocol was spoken by somebody who may not.
	PreambleForbidden = declare(Fault{
		Code: "SPY0015", Name: "PreambleForbidden", Whose: Operator, Status: 403,
		Text: "a peer that is no proxy of ours spoke the PROXY protocol",
		Hint: "if the peer is a proxy of yours, add its address to --proxy-allow-from.",
		About: "Whoever may speak the PROXY protocol can claim any address, so only the peers in `proxy_allow_ips` may. The log line " +
			"has the peer. The connection was closed. At most 10 such lines are written a minute.",
	})
)

// The application's, while it loads. SPY01xx.
var (
	// ImportFailed: importing the application raised.
	ImportFailed = declare(Fault{
		Code: "SPY0101", Name: "ImportFailed", Whose: Application, Exit: ExitImport,
		Text: "the application failed to import",
		Hint: "the traceback above ends in the line that raised; importing it in python in the same directory shows the same.",
		About: "The traceback is trimmed to the application's own frames. A ModuleNotFoundError for the application itself means " +
			"that its directory is not on sys.path: see `chdir` and `pythonpath` in settings.md.",
	})
	// CallableNotFound: the module has no such attribute.
	CallableNotFound = declare(Fault{
		Code: "SPY0102", Name: "CallableNotFound", Whose: Application, Exit: ExitCallable,
		Text:  "the application was imported, and has no such callable",
		Hint:  "name it as module:callable, or module:factory() for a function that returns it.",
		About: "Without a name after the colon, `application` is looked for, then `app`.",
	})
	// NotCallable: the attribute is not callable.
	NotCallable = declare(Fault{
		Code: "SPY0103", Name: "NotCallable", Whose: Application, Exit: ExitCallable,
		Text:  "what was named as the application cannot be called",
		Hint:  "name the WSGI callable as module:callable, or module:factory() for a function that returns it.",
		About: "PEP 3333: the application is a callable that takes environ and start_response.",
	})
	// ScriptFailed: a script run as __main__ raised before it served.
	ScriptFailed = declare(Fault{
		Code: "SPY0104", Name: "ScriptFailed", Whose: Application, Exit: ExitImport,
		Text: "the script failed",
		Hint: "the traceback above ends in the line that raised; python FILE.py shows the same.",
		About: "`speyside FILE.py` runs the script once, as `python FILE.py` would; it raised, or it exited with a status other " +
			"than 0, before or after serving.",
	})
	// WarmupFailed: a worker could not do what it is to do before its first request.
	WarmupFailed = declare(Fault{
		Code: "SPY0107", Name: "WarmupFailed", Whose: Application, Exit: ExitImport,
		Text: "the application could not be warmed up",
		Hint: "see --warmup and --warmup-timeout; a request to warm up has speyside.warmup in its environ.",
		About: "Each worker does what `warmup` says before it claims a request. It raised an exception, was answered with 500 or more, or took " +
			"longer than `warmup_timeout`. A start ends with this; a reload leaves the old generation in service.",
	})
	// ReloadFailed: a new generation was not ready, or crashed in its first seconds.
	ReloadFailed = declare(Fault{
		Code: "SPY0106", Name: "ReloadFailed", Whose: Application, Exit: ExitImport,
		Text: "the new generation crashed",
		Hint: "the log above names the process and how it died; reload again when the application is mended.",
		About: "A reload loads the application beside the one that serves. When the new one fails to import, to warm up, or crashes " +
			"in its first seconds, the old one serves on, and nothing was lost but the reload.",
	})
	// ZygoteDied: the process that loads the application and forks workers died.
	ZygoteDied = declare(Fault{
		Code: "SPY0105", Name: "ZygoteDied", Whose: Application, Exit: ExitImport,
		Text: "the process that loads the application died",
		Hint: "look above for what it wrote last; the kernel's log shows a kill for want of memory.",
		About: "The zygote imports the application once and forks the workers. It was killed by a signal or left by os._exit(), " +
			"most often because a library crashed while it was imported, or memory ran out.",
	})
)

// The client's. SPY02xx.
var (
	// RequestMalformed: what came is not an HTTP request.
	RequestMalformed = declare(Fault{
		Code: "SPY0201", Name: "RequestMalformed", Whose: Client, Status: 400,
		Text: "the request is not HTTP/1.1 as RFC 9112 defines it",
		About: "The connection is closed, since nobody can tell where the next request would start. The application has not seen " +
			"the request.",
	})
	// RequestLate: the head or the body did not arrive in time.
	RequestLate = declare(Fault{
		Code: "SPY0202", Name: "RequestLate", Whose: Client, Status: 408,
		Text:  "the request did not arrive in time",
		About: "See `header_timeout` and `body_timeout` in settings.md. A slow client holds neither a worker nor a slot.",
	})
	// RequestLineTooLong: the request line is longer than limit_request_line.
	RequestLineTooLong = declare(Fault{
		Code: "SPY0203", Name: "RequestLineTooLong", Whose: Client, Status: 414,
		Text:  "the request line is too long",
		Hint:  "raise --limit-request-line if the application needs such addresses.",
		About: "See `limit_request_line` in settings.md.",
	})
	// RequestHeadTooLarge: a field, or their number, or the whole head is over its limit.
	RequestHeadTooLarge = declare(Fault{
		Code: "SPY0204", Name: "RequestHeadTooLarge", Whose: Client, Status: 431,
		Text: "the fields of the request are too many or too large",
		Hint: "raise --limit-request-fields or --limit-request-field-size if the application needs it; cookies are the usual cause.",
		About: "See `limit_request_fields` and `limit_request_field_size` in settings.md. A whole head is never larger than " +
			"65,535 bytes.",
	})
	// RequestNotServed: it asks for something this server does not do.
	RequestNotServed = declare(Fault{
		Code: "SPY0205", Name: "RequestNotServed", Whose: Client, Status: 501,
		Text:  "the request asks for something that this server does not do",
		About: "A transfer coding other than chunked (RFC 9112 section 6.1), CONNECT, or a method longer than any known.",
	})
	// VersionUnknown: not HTTP/1.
	VersionUnknown = declare(Fault{
		Code: "SPY0206", Name: "VersionUnknown", Whose: Client, Status: 505,
		Text:  "the request is of an HTTP version other than 1.0 and 1.1",
		About: "The connection is closed.",
	})
	// RequestBodyTooLarge: the body is longer than can be counted.
	RequestBodyTooLarge = declare(Fault{
		Code: "SPY0207", Name: "RequestBodyTooLarge", Whose: Client, Status: 413,
		Text:  "the body of the request is too large",
		About: "A Content-Length or a chunk whose size cannot be counted in 63 bits, or the fields after the last chunk.",
	})
	// ExpectationUnknown: an Expect field other than 100-continue.
	ExpectationUnknown = declare(Fault{
		Code: "SPY0208", Name: "ExpectationUnknown", Whose: Client, Status: 417,
		Text:  "the request expects something other than 100-continue",
		About: "RFC 9110 section 10.1.1: 100-continue is the only expectation that HTTP defines.",
	})
)

// The application's, while it answers a request. SPY03xx. The client gets 500, or, when the reply has already begun,
// a closed connection; the worker lives on.
var (
	// ApplicationRaised: the application raised an exception.
	ApplicationRaised = declare(Fault{
		Code: "SPY0301", Name: "ApplicationRaised", Whose: Application, Status: 500,
		Text:  "the application raised an exception",
		Hint:  "the traceback is in the log, with method and path.",
		About: "It was raised by the call, by the iteration over the reply, or by its close().",
	})
	// BodyNotBytes: a piece of the body is not bytes.
	BodyNotBytes = declare(Fault{
		Code: "SPY0302", Name: "BodyNotBytes", Whose: Application, Status: 500,
		Text: "the application's body is not made of bytes",
		Hint: "encode text before returning it: text.encode(\"utf-8\").",
		About: "PEP 3333: the iterable yields bytes, and write() takes bytes. A str returned by itself is an iterable of str; " +
			"None is not iterable.",
	})
	// StartResponseNotCalled: the body began without a status.
	StartResponseNotCalled = declare(Fault{
		Code: "SPY0303", Name: "StartResponseNotCalled", Whose: Application, Status: 500,
		Text: "the application did not call start_response before its first body bytes",
		Hint: "call start_response(status, headers) before the first piece is yielded.",
		About: "PEP 3333: start_response must have been called before the iterable yields its first bytes, and before it ends " +
			"without any.",
	})
	// StartResponseTwice: start_response called again without exc_info.
	StartResponseTwice = declare(Fault{
		Code: "SPY0304", Name: "StartResponseTwice", Whose: Application, Status: 500,
		Text: "the application called start_response again without exc_info",
		Hint: "pass exc_info=sys.exc_info() when an error page replaces a reply that has begun.",
		About: "PEP 3333: a second call is an error unless it has exc_info; with it, the fields are replaced if nothing has been " +
			"sent, else the exception is raised again.",
	})
	// StatusInvalid: the status is not three digits, a space and a reason.
	StatusInvalid = declare(Fault{
		Code: "SPY0305", Name: "StatusInvalid", Whose: Application, Status: 500,
		Text:  "the application's status is not of the form \"200 OK\"",
		Hint:  "pass a str of three digits, a space and a reason without control characters.",
		About: "PEP 3333: status is a str such as \"404 Not Found\", without surrounding whitespace, line ends or control characters.",
	})
	// HeaderNameInvalid: a header's name is not a token.
	HeaderNameInvalid = declare(Fault{
		Code: "SPY0306", Name: "HeaderNameInvalid", Whose: Application, Status: 500,
		Text:  "the name of a header of the application is not a token",
		Hint:  "a name is a str of letters, digits and hyphens; headers are a list of (name, value) tuples.",
		About: "PEP 3333: each name is a valid HTTP field name without a trailing colon (RFC 9110 section 5.1).",
	})
	// HeaderValueInvalid: a header's value has control characters or is not Latin-1.
	HeaderValueInvalid = declare(Fault{
		Code: "SPY0307", Name: "HeaderValueInvalid", Whose: Application, Status: 500,
		Text: "the value of a header of the application has a line end or another character it may not have",
		Hint: "never put unchecked input in a header; a str of Latin-1 characters without control characters is allowed.",
		About: "PEP 3333: a value has no control characters, carriage returns and linefeeds among them. A value with a line end " +
			"would let its author add headers or a second reply.",
	})
	// HopByHop: the application set a header that belongs to the connection.
	HopByHop = declare(Fault{
		Code: "SPY0308", Name: "HopByHop", Whose: Application, Status: 500,
		Text: "the application set a hop-by-hop header",
		Hint: "leave the header away: how a reply is framed on a connection is the server's business.",
		About: "PEP 3333: an application may not use HTTP/1.1's hop-by-hop features: Connection, Keep-Alive, Proxy-Authenticate, " +
			"Proxy-Authorization, TE, Trailer, Transfer-Encoding, Upgrade.",
	})
	// LengthInvalid: the Content-Length is not a number.
	LengthInvalid = declare(Fault{
		Code: "SPY0309", Name: "LengthInvalid", Whose: Application, Status: 500,
		Text:  "the application's Content-Length is not a number, or there are two that differ",
		Hint:  "pass str(len(body)), once, or leave it away.",
		About: "RFC 9110 section 8.6: one or more digits.",
	})
	// BodyTooLong: more bytes than Content-Length.
	BodyTooLong = declare(Fault{
		Code: "SPY0310", Name: "BodyTooLong", Whose: Application, Status: 500,
		Text: "the application's body is longer than its Content-Length",
		Hint: "count bytes, not characters: len(text.encode(\"utf-8\")).",
		About: "PEP 3333: an error. The client gets exactly the bytes that Content-Length promised when the head has already left, " +
			"else 500.",
	})
	// BodyTooShort: fewer bytes than Content-Length.
	BodyTooShort = declare(Fault{
		Code: "SPY0311", Name: "BodyTooShort", Whose: Application, Status: 500,
		Text: "the application's body is shorter than its Content-Length",
		Hint: "count what is sent, or leave Content-Length away.",
		About: "The connection is closed when the head has already left, so that the client sees that the reply is not complete, " +
			"else the client gets 500.",
	})
	// WriteMisused: write() called at a time or with a thing it does not allow.
	WriteMisused = declare(Fault{
		Code: "SPY0312", Name: "WriteMisused", Whose: Application, Status: 500,
		Text:  "the application called write() when it may not",
		Hint:  "return an iterable of bytes instead; write() is for old code only.",
		About: "PEP 3333: write() belongs to one request, takes bytes, and is not called from within the iterable that was returned.",
	})
	// ReplyHeadTooLarge: the application's headers do not fit.
	ReplyHeadTooLarge = declare(Fault{
		Code: "SPY0313", Name: "ReplyHeadTooLarge", Whose: Application, Status: 500,
		Text:  "the application's status and headers are too large",
		Hint:  "keep session data on the server instead of in cookies.",
		About: "A reply's head lies in the slot's home block, of which about 15 KiB are for the application's headers.",
	})
	// HeadersNotList: the headers are not a list of pairs of str.
	HeadersNotList = declare(Fault{
		Code: "SPY0314", Name: "HeadersNotList", Whose: Application, Status: 500,
		Text:  "the application's headers are not a list of (name, value) tuples of str",
		Hint:  "pass list(headers.items()), with str on both sides.",
		About: "PEP 3333: response_headers is a list, of tuples of two str.",
	})
	// StatusInterim: the status is 1xx.
	StatusInterim = declare(Fault{
		Code: "SPY0315", Name: "StatusInterim", Whose: Application, Status: 500,
		Text: "the application's status is an interim one",
		Hint: "pass the final status; for 103 Early Hints call environ[\"wsgi.early_hints\"] with the headers before it.",
		About: "RFC 9110 section 15.2: after a 1xx status the client waits for the final one, which start_response cannot give any " +
			"more. 100 Continue is the server's to send, and 101 would end HTTP on the connection.",
	})
	// FileCut: a file that was being sent ended too early.
	FileCut = declare(Fault{
		Code: "SPY0316", Name: "FileCut", Whose: Application, Status: 500,
		Text: "a file could not be sent to its end",
		Hint: "replace a file that is served by renaming a new one over it, never by writing into it.",
		About: "A file that is returned through wsgi.file_wrapper is sent after the application has gone on to other requests. When it " +
			"becomes shorter meanwhile, or reading it fails, the connection is reset so that the client sees that the reply is " +
			"not complete.",
	})
	// HintsRefused: wsgi.early_hints called too late or with too much.
	HintsRefused = declare(Fault{
		Code: "SPY0317", Name: "HintsRefused", Whose: Application, Status: 500,
		Text: "the application gave early hints that cannot be sent",
		Hint: "call environ[\"wsgi.early_hints\"] before the first bytes of the body, a few times at most, with the headers that matter most.",
		About: "RFC 8297: 103 Early Hints comes before the final reply. A request may have 32 of them, of 16 KiB together, without " +
			"Content-Length. A header that start_response would refuse is refused here with the same code.",
	})
)

// Workers. SPY04xx.
var (
	// WorkerDied: a worker died while it ran a request.
	WorkerDied = declare(Fault{
		Code: "SPY0401", Name: "WorkerDied", Whose: Application, Status: 502,
		Text: "the worker died while the application ran this request",
		Hint: "the log names the worker, its signal and the request; a crash in C code or a kill for want of memory are usual.",
		About: "A request that the application has seen is never run a second time. The worker has been replaced, and other " +
			"requests have not noticed.",
	})
	// WorkerDiedTwice: two workers died before they started the request.
	WorkerDiedTwice = declare(Fault{
		Code: "SPY0402", Name: "WorkerDiedTwice", Whose: Speyside, Status: 502,
		Text: "two workers died before they started this request",
		Hint: "please report it, with the log around it.",
		About: "A request that the application has not seen is given to another worker, once. A second death before the " +
			"application was called is not the request's doing, most often.",
	})
	// WorkerMisspoke: a worker wrote something in the segment that cannot be.
	WorkerMisspoke = declare(Fault{
		Code: "SPY0403", Name: "WorkerMisspoke", Whose: Application, Status: 502,
		Text: "a worker's reply in the shared memory cannot be",
		Hint: "a C extension of the application may write where it should not; please report it if there is none.",
		About: "Lengths and block numbers of a reply are checked before they are used. Only that reply was cut; no other request " +
			"has noticed.",
	})
	// CutAtStop: graceful_timeout was over, and the worker was ended.
	CutAtStop = declare(Fault{
		Code: "SPY0405", Name: "CutAtStop", Whose: Operator, Status: 503,
		Text: "the server stopped while the application ran this request",
		Hint: "if such requests are in order, give them more time with --graceful-timeout.",
		About: "A stop waits for `graceful_timeout`, or until a second INT; what is not finished by then is cut. The client got a 503, " +
			"or an incomplete reply when its head had been sent.",
	})
	// RequestTimedOut: the application had its time and did not answer.
	RequestTimedOut = declare(Fault{
		Code: "SPY0407", Name: "RequestTimedOut", Whose: Application, Status: 504,
		Text: "the application did not answer in time",
		Hint: "the log has the Python stack of its thread; give such paths more time with --timeout or --route '/path timeout=300s'.",
		About: "`timeout` runs while the application works, until the first block of its reply and anew from block to block; not while the " +
			"client is slow. The client got a 504, or an incomplete reply when its head had been sent. In the thread " +
			"`speyside.RequestTimeout` is raised; a worker that does not come back is replaced.",
	})
	// QueueFull: as many requests waited as queue_limit allows.
	QueueFull = declare(Fault{
		Code: "SPY0408", Name: "QueueFull", Whose: Operator, Status: 503,
		Text: "too many requests waited for a worker",
		Hint: "the application is slower than its clients ask: more --workers or --threads, or find in `speyside status` what they do.",
		About: "As many requests waited as `queue_limit` allows. This one was answered at once, with Retry-After: waiting would have been " +
			"in vain, most likely. The application has not seen it.",
	})
	// QueueTimedOut: a request waited as long as queue_timeout allows.
	QueueTimedOut = declare(Fault{
		Code: "SPY0409", Name: "QueueTimedOut", Whose: Operator, Status: 503,
		Text: "no worker began with the request in time",
		Hint: "the application is slower than its clients ask, or no worker is up: the log before this tells.",
		About: "The request waited in line for `queue_timeout`, because every thread was busy or no worker was up. The client got a 503 " +
			"with Retry-After; the application has not seen it.",
	})
	// WorkerTooLarge: a worker has more memory than it may.
	WorkerTooLarge = declare(Fault{
		Code: "SPY0412", Name: "WorkerTooLarge", Whose: Application, Warning: true,
		Text: "a worker has more memory than it may",
		Hint: "find what grows, or raise --max-worker-memory and --max-worker-memory-hard; `speyside status` shows what workers have.",
		About: "Past `max_worker_memory` a worker is recycled and nothing is lost. Past `max_worker_memory_hard` it was killed: the log names " +
			"what it had started, which was answered with 502. A worker that is past `max_worker_memory` before its first request " +
			"serves for a minute at least.",
	})
	// NotHandedOver: a request that no worker had claimed could not move to the generation that took over.
	NotHandedOver = declare(Fault{
		Code: "SPY0406", Name: "NotHandedOver", Whose: Operator, Status: 503,
		Text: "there was no room for this request in the generation that took over",
		Hint: "reload when fewer requests wait, or give bodies more room with --spool-limit.",
		About: "At a reload, requests that no worker has claimed move to the new generation. This one could not, for want of a slot or " +
			"of room for its body, and the workers of the old generation claim nothing more. The application has not seen it.",
	})
	// SlotMalformed: the front wrote a request in the segment that cannot be.
	SlotMalformed = declare(Fault{
		Code: "SPY0404", Name: "SlotMalformed", Whose: Speyside, Status: 500,
		Text: "a request in the shared memory cannot be",
		Hint: "please report it; if the application uses C extensions, one of them may write where it should not.",
		About: "Offsets and lengths of a request are checked before the worker uses them. The application has not seen the " +
			"request; no other one has noticed.",
	})
)
