package settings

// logSettings are the entries of the table that are about logs.
var logSettings = []Setting{
	{
		Name: "accesslog", Example: `"/var/log/shop/access.log"`, Flag: "access-logfile", Meta: "FILE", Type: Path, DefaultText: "none", Section: SectionLogging, Since: "0.1",
		Gunicorn: "accesslog", Check: notEmpty,
		Doc: "Access log: a file, or - for standard output. A line for each request, also one that was refused, timed out or broken off. " +
			"A relative path starts at `chdir`; the directory must exist. USR1 opens the file anew. Requests never wait for it: when the disk or the " +
			"reader of a pipe is slow, lines are lost and counted, and the log says so. See logging.md.",
		field: func(s *Settings) any { return &s.AccessLog },
	},
	{
		Name: "access_log_format", Example: `"json"`, Flag: "access-logformat", Meta: "FORMAT", Type: String, Default: "combined", Section: SectionLogging,
		Since: "0.1", Gunicorn: "access_log_format", Check: anAccessFormat,
		Doc: "Form of the lines of the access log: common, combined, json, logfmt, or gunicorn's atoms. For instance '%(h)s \"%(r)s\" %(s)s %(D)s'. " +
			"logging.md has all atoms and fields. What clients send is escaped, so that nothing can pass for a line or a quoted field.",
		read:  aFormat,
		field: func(s *Settings) any { return &s.AccessLogFormat },
	},
	{
		Name: "access_log_only", Example: `["5xx", "slow=500ms"]`, Meta: "LIST", Type: List, DefaultText: "all requests", Section: SectionLogging, Since: "0.1",
		Check: someRequests,
		Doc: "Requests that have a line in the access log: such as 4xx, 404, slow=500ms, big=1MB, empty. Separated by commas; one that any of them is true of has " +
			"its line. A class of status, 1xx to 5xx, or a status; slow=TIME: it took as long or longer, from its first byte to the last of the reply; big=SIZE: as many " +
			"bytes of the reply's body were sent, or more; empty: none were. A reply that the server broke off counts as 500. Anything else is refused. Without " +
			"`accesslog` there is no line in any case.",
		field: func(s *Settings) any { return &s.AccessLogOnly },
	},
	{
		Name: "errorlog", Example: `"/var/log/shop/error.log"`, Flag: "error-logfile", Meta: "FILE", Type: Path, Default: Standard, Section: SectionLogging, Since: "0.1",
		Gunicorn: "errorlog", Check: notEmpty,
		Doc: "Log of the server: a file, or - for standard error. What goes wrong before it is open, and the banner, go to standard error in any case. In a file " +
			"is also what the application writes to wsgi.errors. A relative path starts at `chdir`; the directory must exist. USR1 opens the file anew.",
		field: func(s *Settings) any { return &s.ErrorLog },
	},
	{
		Name: "log_format", Example: `"json"`, Meta: "text|json", Type: String, Default: "text", Section: SectionLogging, Since: "0.1",
		Check: oneOf("text", "json"),
		Doc: "Form of the log of the server: text or json. With json every record is an object on a line of its own, and there is no banner where the log is " +
			"standard error.",
		field: func(s *Settings) any { return &s.LogFormat },
	},
	{
		Name: "capture_output", Meta: "on|off", Type: Bool, Default: "off", Section: SectionLogging, Since: "0.1", Gunicorn: "capture_output", Check: aSwitch,
		Doc: "Put what the application prints into `errorlog`. on or off. It has a meaning where that is a file, or `log_format` is json; else standard output " +
			"and standard error stay what they are.",
		field: func(s *Settings) any { return &s.CaptureOutput },
	},
	{
		Name: "syslog", Flag: "log-syslog", Meta: "on|off", Type: Bool, Default: "off", Section: SectionLogging, Since: "0.1", Gunicorn: "syslog", Check: aSwitch,
		Doc: "Send both logs to syslog as well. on or off. Beside what `accesslog` and `errorlog` say, each record and line goes to `syslog_addr` as a message of its own, in the " +
			"access log's form or as text. Nobody waits for it: what nobody takes is lost and counted, and the log says so. See logging.md.",
		field: func(s *Settings) any { return &s.Syslog },
	},
	{
		Name: "syslog_addr", Example: `"unix:///dev/log"`, Flag: "log-syslog-to", Meta: "ADDRESS", Type: String, Default: "udp://localhost:514", Section: SectionLogging,
		Since: "0.1", Gunicorn: "syslog_addr", Check: aSyslogAddress,
		Doc: "Where `syslog` sends messages: udp://HOST:PORT, tcp://HOST:PORT or unix://PATH. The port is 514 where it is left out. A Unix socket takes datagrams, or else a stream; " +
			"unix://PATH#dgram and unix://PATH#stream say which. Whether somebody is there is seen at the first message.",
		read:  checkSyslogAddress,
		field: func(s *Settings) any { return &s.SyslogAddr },
	},
	{
		Name: "syslog_prefix", Example: `"shop"`, Flag: "log-syslog-prefix", Meta: "TEXT", Type: String, Default: "speyside.", Section: SectionLogging, Since: "0.1",
		Gunicorn: "syslog_prefix", Check: notEmpty,
		Doc: "What a message to `syslog` begins with, before .error or .access. One that ends with a dot is followed by the name of the server (`proc_name`), a dot in the " +
			"place of each colon.",
		field: func(s *Settings) any { return &s.SyslogPrefix },
	},
	{
		Name: "syslog_facility", Example: `"local3"`, Flag: "log-syslog-facility", Meta: "NAME", Type: String, Default: "user", Section: SectionLogging, Since: "0.1",
		Gunicorn: "syslog_facility", Check: aFacility,
		Doc:   "What syslog sorts messages by: user, daemon, local0 to local7 and the like.",
		field: func(s *Settings) any { return &s.SyslogFacility },
	},
	{
		Name: "disable_redirect_access_to_syslog", Meta: "on|off", Type: Bool, Default: "off", Section: SectionLogging, Since: "0.1",
		Gunicorn: "disable_redirect_access_to_syslog", Check: aSwitch,
		Doc:   "Keep the access log out of `syslog`. on or off. Otherwise its lines are sent there also where `accesslog` is none.",
		field: func(s *Settings) any { return &s.DisableRedirectAccessToSyslog },
	},
	{
		Name: "loglevel", Example: `"warning"`, Flag: "log-level", Meta: "LEVEL", Type: Level, Default: "info", Section: SectionLogging, Since: "0.1",
		Reloadable: true, Gunicorn: "loglevel", Check: aLevel,
		Doc: "Least severe log lines to write: debug, info, warning, error or critical. What the application itself prints or logs " +
			"is not touched by it.",
		field: func(s *Settings) any { return &s.LogLevel },
	},
}
