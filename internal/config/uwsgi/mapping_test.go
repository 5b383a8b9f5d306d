package uwsgi

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/settings"
)

func mapped(t *testing.T, text string) (*Config, error) {
	t.Helper()
	w := world(t, map[string]string{"app.ini": text})
	f, err := Read("app.ini", w)
	if err != nil {
		t.Fatal(err)
	}
	return f.Map(w)
}

// told is what is given, in one line.
func told(c *Config) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(c.Given)) {
		parts = append(parts, name+"="+strings.Join(c.Given[name].Texts, "|"))
	}
	return strings.Join(parts, " ")
}

func TestOptionsBecomeSettings(t *testing.T) {
	for text, want := range map[string]string{
		"module = shop.wsgi":                                                  "wsgi_app=shop.wsgi:application",
		"module = shop.wsgi\ncallable = app":                                  "wsgi_app=shop.wsgi:app",
		"callable = app\nwsgi-file = /srv/shop.py":                            "wsgi_app=/srv/shop.py:app",
		"wsgi = shop:create()":                                                "wsgi_app=shop:create()",
		"mount = /shop=shop:app":                                              "wsgi_app=shop:app",
		"mount = /shop=shop:app\nmanage-script-name":                          "root_path=/shop wsgi_app=shop:app",
		"manage-script-name = true\nmount = /a/=b:app":                        "root_path=/a wsgi_app=b:app",
		"manage-script-name = 0\nmount = /a=b:app":                            "wsgi_app=b:app",
		"auto-procname = true":                                                "",
		"auto-procname\nprocname-prefix = shop-":                              "proc_name=shop-master",
		"procname-prefix-spaced = shop":                                       "proc_name=shop master",
		"procname-master = a\nprocname = b\nprocname-append = c":              "proc_name=ac",
		"logger = file:/var/log/shop.log":                                     "errorlog=/var/log/shop.log",
		"logger = stdio:\nreq-logger = file:logfile=/var/log/r.log,maxsize=9": "errorlog=-",
		"log-format = 100%% %(status)":                                        "access_log_format=100%% %(s)s",
		"mount = /=shop.py\ncallable=app":                                     "wsgi_app=shop.py:app",
		"workers = 2\nprocesses = 4":                                          "workers=4",
		"threads = 0":                                                         "threads=1",
		"processes = %(%k * 2)":                                               "workers=4",
		"http = :80":                                                          "bind=:80",
		"http-socket = *:80":                                                  "bind=:80",
		"http-socket = [::1]:80\nhttp = /run/a.sock":                          "bind=[::1]:80|unix:/run/a.sock",
		"http-socket = fd://3":                                                "bind=fd://3",
		"protocol = http\nsocket = 127.0.0.1:80":                              "bind=127.0.0.1:80",
		"chmod-socket":                                                        "umask=0o111",
		"chmod-socket = 660\numask = 022":                                     "umask=0o117",
		"umask = 027":                                                         "umask=0o027",
		"harakiri = 20\nreload-mercy = 8":                                     "graceful_timeout=8 timeout=20",
		"reload-on-rss = 300\nevil-reload-on-rss=400":                         "max_worker_memory=300MB max_worker_memory_hard=400MB",
		"cheaper = 2\nprocesses = 8":                                          "workers=2 workers_max=8 workers_min=2",
		"processes = 8\ncheaper = 2\ncheaper-initial = 5":                     "workers=5 workers_max=8 workers_min=2",
		"processes = 8\ncheaper = 2\ncheaper-initial = 1":                     "workers=2 workers_max=8 workers_min=2",
		"processes = 8\ncheaper-initial = 2":                                  "workers=8",
		"processes = 8\ncheaper = 2\ncheaper-algo = manual":                   "workers=2",
		"processes = 8\ncheaper = 0\ncheaper-algo = busyness":                 "workers=8",
		"cheaper = 1":                                                         "workers=1 workers_max=1 workers_min=1",
		"cheaper-rss-limit-soft = 134217728":                                  "workers_memory=134217728",
		"max-requests = 1000\nmax-requests-delta=50":                          "max_requests=1000 max_requests_jitter=50",
		"lazy-apps = true":                                                    "preload=off",
		"lazy-apps = false":                                                   "preload=on",
		"post-buffering = 1":                                                  "",
		"post-buffering = 65536":                                              "spool_threshold=65536",
		"post-buffering = 8388608":                                            "spool_threshold=1048576",
		"buffer-size = 32768":                                                 "limit_request_field_size=32768 limit_request_line=32768",
		"limit-post = 10485760":                                               "limit_request_body=10485760",
		"http-keepalive = 1":                                                  "",
		"http-keepalive = 30":                                                 "keepalive=30",
		"http-timeout = 90\nhttp-headers-timeout=9":                           "body_timeout=90 header_timeout=9 send_timeout=90",
		"gevent = 100":                                                        "threads=16",
		"gevent = 100\nthreads = 4":                                           "threads=4",
		"listen = 1024":                                                       "backlog=1024",
		"venv = /srv/venv":                                                    "venv=/srv/venv",
		"pp = a\npythonpath = b":                                              "pythonpath=a|b",
		"procname = shop\npidfile = /run/shop.pid":                            "pidfile=/run/shop.pid proc_name=shop",
		"touch-reload = a\ntouch-chain-reload = /b":                           "touch_reload=a|/b",
		"uid = www-data\ngid = www-data\nchown-socket = www-data:www-data":    "group=www-data user=www-data",
		"immediate-uid = www-data\nchown-socket = www-data":                   "user=www-data",
		"env = A=b\nenv = C=d":                                                "raw_env=A=b|C=d",
		"logto = /var/log/shop.log":                                           "errorlog=/var/log/shop.log",
		"daemonize = /var/log/shop.log":                                       "daemon=on errorlog=/var/log/shop.log",
		"paste = config:/srv/shop.ini":                                        "paste=/srv/shop.ini",
		"py-autoreload = 2":                                                   "reload=on",
		"log-format = %(addr) \"%(method) %(uri) %(proto)\" %(status) %(var.HTTP_X_ID) %(nothing)":                                      "access_log_format=%(h)s \"%(m)s %({RAW_URI}e)s %(H)s\" %(s)s %({x-id}i)s -",
		"disable-logging = true\nlog-format = %(addr)":                                                                                  "",
		"disable-logging = true\nlog-4xx = true\nlog-5xx = true\nlog-slow = 500\nlog-big = 4096\nlog-zero = true\nlog-format = %(addr)": "access_log_format=%(h)s access_log_only=4xx|5xx|slow=500ms|big=4096|empty",
		"log-slow = 500\nlog-5xx = true\ndisable-logging = true\nlog-slow = 2000":                                                       "access_log_only=5xx|slow=2000ms",
		"disable-logging = true\nlog-5xx = false\nlog-slow = 0":                                                                         "",
		"disable-logging = false\nlog-5xx = true":                                                                                       "",
		"stats = :9191\nstats-server = /run/a.stats\nstats-http = true":                                                                 "stats=:9191|unix:/run/a.stats stats_form=http",
		"stats = *:9191\nstats-min\nstats-minified = 1\nstats-no-cores\nstats-no-metrics":                                               "stats=:9191 stats_form=minified|no-cores",
		"enable-proxy-protocol = true":                                                                                                  "proxy_allow_ips=* proxy_protocol=auto",
		"master = true\nvacuum = true\ndie-on-term\nsingle-interpreter = true\nneed-app = true\nthunder-lock = true":                    "",
	} {
		t.Run(text, func(t *testing.T) {
			c, err := mapped(t, "[uwsgi]\n"+text+"\n")
			if err != nil || told(c) != want {
				t.Errorf("%q, want %q: %v", told(c), want, err)
			}
			if _, err := settings.Resolve(settings.Sources{Files: []settings.Layer{c.Given}, Defaults: c.Defaults,
				Flags: settings.Layer{"wsgi_app": {Texts: []string{"a"}, Source: "-"}}}); err != nil {
				t.Errorf("it is no setting's value: %v", err)
			}
		})
	}
}

func TestNothingOfCheaperIsSilent(t *testing.T) {
	c, err := mapped(t, "[uwsgi]\nprocesses = 4\ncheaper = 2\ncheaper-initial = 1\ncheaper-step = 2\ncheaper-algo = busyness\ncheaper-overload = 3\n"+
		"cheaper-busyness-max = 70\ncheaper-busyness-backlog-alert = 33\ncheaper-rss-limit-hard = 1000000000\ncheap = true\n")
	if err != nil {
		t.Fatal(err)
	}
	var noted []string
	for _, n := range c.Notes {
		noted = append(noted, n.Option.Name)
	}
	want := "cheaper-step cheaper-overload cheaper-busyness-max cheaper-busyness-backlog-alert cheaper-rss-limit-hard cheap cheaper-initial cheaper-algo"
	if got := strings.Join(noted, " "); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestMoreCheaperWorkersThanProcessesAreRefusedWithBothLines(t *testing.T) {
	c, err := mapped(t, "[uwsgi]\nprocesses = 4\ncheaper = 5\n")
	if err != nil {
		t.Fatal(err)
	}
	_, err = settings.Resolve(settings.Sources{Files: []settings.Layer{c.Given}, Defaults: c.Defaults,
		Flags: settings.Layer{"wsgi_app": {Texts: []string{"a"}, Source: "-"}}})
	if err == nil || err.Error() != "setting workers_max is 4 (from app.ini:2, processes): it must be at least workers_min, which is 5 (from app.ini:3, cheaper)" {
		t.Errorf("got %v", err)
	}
}

func TestASettingSaysWhereItCameFrom(t *testing.T) {
	c, err := mapped(t, "[uwsgi]\n\nprocesses = 3\n")
	if err != nil || c.Given["workers"].Source != "app.ini:3, processes" {
		t.Errorf("%+v, %v", c.Given, err)
	}
}

func TestDefaultsAreThoseOfUWSGI(t *testing.T) {
	c, err := mapped(t, "[uwsgi]\n")
	if err != nil {
		t.Fatal(err)
	}
	s, err := settings.Resolve(settings.Sources{Defaults: c.Defaults, Flags: settings.Layer{"wsgi_app": {Texts: []string{"a"}, Source: "-"}}})
	if err != nil {
		t.Fatal(err)
	}
	a := s.Apps[0]
	if a.Workers != 1 || a.Threads != 1 || a.Preload != "on" || a.Timeout != 0 || s.GracefulTimeout.Seconds() != 60 || s.Umask != 0o022 {
		t.Errorf("%+v %+v", s, a)
	}
}

func TestEveryRequestHasItsLineUnlessItIsSwitchedOff(t *testing.T) {
	for text, want := range map[string]string{"": "-", "disable-logging = true": "", "disable-logging = false": "-", "log-5xx = true": "-",
		"disable-logging = true\nlog-5xx = true": "-", "disable-logging = true\nlog-5xx = true\nlogto = /var/log/shop.log": "/var/log/shop.log",
		"disable-logging = true\nlog-slow = 0": ""} {
		c, err := mapped(t, "[uwsgi]\n"+text+"\n")
		if got := strings.Join(c.Defaults["accesslog"].Texts, ""); err != nil || got != want {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
}

func TestWhatProtectsOrShapesTheServiceStopsTheStart(t *testing.T) {
	for text, hint := range map[string]string{
		"https = :443,a.crt,a.key":        "TLS is not there yet",
		"socket = /run/a.sock":            "http-socket = /run/a.sock",
		"uwsgi-socket = :3031":            "proxy_pass",
		"chroot = /srv/jail":              "RootDirectory=",
		"route-remote-addr = ^1.2 break:": "the proxy in front",
		"emperor = /etc/uwsgi/vassals":    "one server serves one application",
		"chown-socket = www-data:web":     "systemd socket unit",
		"uid = a\nchown-socket = b":       "systemd socket unit",
		"cap = setgid":                    "CapabilityBoundingSet=",
		"limit-nproc = 10":                "TasksMax=",
		"unshare = pid":                   "RestrictNamespaces=",
		"cgroup = /sys/x":                 "MemoryMax=",
		"http-socket = @name":             "a Unix socket has a path",
		"shared-socket = :80":             "use http-socket",
		"mount = /a=a\nmount = /b=b":      "start another server",
		"module = a\nmount = /b=b":        "start another server",
		"xml = other.xml":                 "ini, YAML and JSON are read",
	} {
		_, err := mapped(t, "[uwsgi]\n"+text+"\n")
		if fault.Of(err) == nil && err != nil {
			err = fault.Each(err)[0]
		}
		if fault.Of(err) != fault.OptionRefused || !strings.Contains(fault.Hint(err), hint) || !strings.HasPrefix(err.Error(), "app.ini:") {
			t.Errorf("%s: %v; %s", text, err, fault.Hint(err))
		}
	}
}

func TestWhatIsSwitchedOffIsNotThere(t *testing.T) {
	if c, err := mapped(t, "[uwsgi]\nchroot = false\ncheaper = 0\nhttp-to-https = off\n"); err != nil || len(c.Notes) != 0 {
		t.Errorf("%v %v", c.Notes, err)
	}
}

func TestWhatHasNoEffectIsListedOnce(t *testing.T) {
	c, err := mapped(t, "[uwsgi]\nhttp = :80\nsocket = :81\nmaster-fifo = a\ncron = 1 2 3 4 5 x\ncron2 = y\nprocesess = 3\nbase = /srv\nchdir = %(base)/a\n")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range c.Notes {
		got = append(got, fmt.Sprintf("%s %s", n.Option.Where, n.Option.Name))
		if n.Says == "" {
			t.Errorf("nothing is said of %s", n.Option.Name)
		}
	}
	if want := "app.ini:4 master-fifo, app.ini:5 cron, app.ini:6 cron2, app.ini:7 procesess, app.ini:3 socket"; strings.Join(got, ", ") != want {
		t.Errorf("%s, want %s", strings.Join(got, ", "), want)
	}
}

func TestSyslogOfTheMachineGetsBothLogs(t *testing.T) {
	for text, want := range map[string]string{
		"logger = syslog:shop,LOCAL0": "unix:///dev/log shop local0", "logger = syslog": "unix:///dev/log uwsgi daemon", "logger = syslog:": "unix:///dev/log uwsgi daemon",
		"log-syslog": "unix:///dev/log uwsgi daemon", "log-syslog = true": "unix:///dev/log uwsgi daemon", "log-syslog = shop": "unix:///dev/log shop daemon", "log-syslog = shop,user": "unix:///dev/log shop user",
	} {
		c, err := mapped(t, "[uwsgi]\n"+text+"\n")
		got := ""
		for _, name := range []string{"syslog_addr", "syslog_prefix", "syslog_facility"} {
			got += " " + strings.Join(c.Given[name].Texts, "")
		}
		if err != nil || len(c.Notes) != 0 || got[1:] != want || strings.Join(c.Given["syslog"].Texts, "") != "on" {
			t.Errorf("%s: %q, want %q: %v, %v", text, got, want, err, c.Notes)
		}
	}
}

func TestLoggersAreFilesOrListed(t *testing.T) {
	for text, want := range map[string]string{
		"req-logger = file:/r.log":                         "/r.log",
		"logger = file:/a.log":                             "/a.log",
		"logger = file:/a.log\nlogger-req = stdio":         "-",
		"logto = /a.log\nreq-logger = file:logfile=/r,b=c": "/r",
		"disable-logging\nreq-logger = file:/r.log":        "",
		"logger = errors file:/e.log":                      "- listed logger",
		"logger = file:maxsize=9":                          "- listed logger",
		"logger = file:/a.log\nlogger = file:/b.log":       "/a.log listed logger",
		"req-logger = socket:127.0.0.1:514":                "- listed req-logger",
	} {
		c, err := mapped(t, "[uwsgi]\n"+text+"\n")
		got := strings.Join(c.Defaults["accesslog"].Texts, "")
		for _, n := range c.Notes {
			got += " listed " + n.Option.Name
		}
		if err != nil || got != want {
			t.Errorf("%s: %q, want %q: %v", text, got, want, err)
		}
	}
}

func TestTheServerIsInAllGroupsOfItsUserUnlessTheFileSaysOtherwise(t *testing.T) {
	for text, want := range map[string]bool{"": false, "uid = www-data": false, "gid = www-data": false, "uid = www-data\ngid = web": true,
		"immediate-uid = 33\nimmediate-gid = 33": true, "uid = www-data\ngid = web\nno-initgroups = true": false, "uid = www-data\ngid = web\nno-initgroups = false": true} {
		c, err := mapped(t, "[uwsgi]\n"+text+"\n")
		if err != nil {
			t.Fatal(err)
		}
		s, err := settings.Resolve(settings.Sources{Files: []settings.Layer{c.Given}, Defaults: c.Defaults,
			Flags: settings.Layer{"wsgi_app": {Texts: []string{"a"}, Source: "-"}}})
		if err != nil || s.InitGroups != want {
			t.Errorf("%s: %v, want %v: %v", text, s.InitGroups, want, err)
		}
	}
}

func TestWhatTERMDoesIsKnown(t *testing.T) {
	for text, want := range map[string]bool{"": false, "die-on-term": true, "die-on-term = true": true, "die-on-term = false": false} {
		if c, err := mapped(t, "[uwsgi]\n"+text+"\n"); err != nil || c.Term != want || len(c.Notes)+len(c.Kept) != 0 {
			t.Errorf("%s: %+v, %v", text, c, err)
		}
	}
}

func TestProcessesAreCalledByTheirTitles(t *testing.T) {
	for text, want := range map[string]string{"procname = shop": "shop|", "auto-procname": "speyside|", "auto-procname = false": "",
		"procname-prefix = a\nprocname-append = -z": "aspeyside|-z", "procname-prefix-spaced = a\nprocname = b": "a b|"} {
		c, err := mapped(t, "[uwsgi]\n"+text+"\n")
		got := ""
		if title := c.Payload.Title; title != nil {
			got = title.Before + "|" + title.After
		}
		if err != nil || got != want {
			t.Errorf("%s: %q, want %q: %v", text, got, want, err)
		}
	}
}

// first are the options that people use most, in that order, and what each is here. Whatever of them is not honoured is said why.
var first = []struct {
	option string
	want   Treatment
}{
	{"master", Ignored}, {"processes", Mapped}, {"workers", Mapped}, {"module", Mapped}, {"wsgi-file", Mapped}, {"callable", Mapped}, {"socket", Mapped},
	{"http-socket", Mapped}, {"http", Mapped}, {"vacuum", Ignored}, {"chdir", Mapped}, {"harakiri", Mapped}, {"uid", Mapped}, {"gid", Mapped},
	{"max-requests", Mapped}, {"buffer-size", Mapped}, {"enable-threads", Ignored}, {"threads", Mapped}, {"reload-on-rss", Mapped}, {"die-on-term", Ignored},
	{"virtualenv", Mapped}, {"home", Mapped}, {"pyhome", Mapped}, {"pidfile", Mapped}, {"logto", Mapped}, {"logger", Mapped}, {"daemonize", Mapped},
	{"single-interpreter", Ignored}, {"static-map", Module}, {"post-buffering", Mapped}, {"env", Mapped}, {"need-app", Ignored}, {"lazy-apps", Mapped},
	{"worker-reload-mercy", Mapped}, {"reload-mercy", Mapped}, {"disable-logging", Mapped}, {"log-4xx", Mapped}, {"log-5xx", Mapped}, {"log-slow", Mapped},
	{"stats", Mapped}, {"stats-http", Mapped}, {"chmod-socket", Mapped}, {"no-orphans", Ignored}, {"ignore-sigpipe", Ignored}, {"ignore-write-errors", Ignored},
	{"disable-write-exception", Ignored}, {"memory-report", Listed}, // speyside status and stats have it
	{"strict", Module}, {"log-format", Mapped}, {"max-worker-lifetime", Mapped}, {"listen", Mapped}, {"auto-procname", Mapped}, {"procname-prefix", Mapped},
	{"thunder-lock", Ignored}, {"touch-reload", Mapped}, {"touch-chain-reload", Mapped}, {"py-autoreload", Mapped}, {"http-timeout", Mapped},
	{"http-keepalive", Mapped}, {"http-auto-chunked", Ignored}, {"offload-threads", Ignored},
	{"pythonpath", Mapped}, {"mount", Mapped}, {"manage-script-name", Mapped}, {"evil-reload-on-rss", Mapped}, {"add-header", Module},
	// These protect.
	{"limit-post", Mapped}, {"limit-as", Mapped}, {"http-headers-timeout", Mapped}, {"chown-socket", Mapped}, {"umask", Mapped},
	{"https", Refused}, {"https-socket", Refused}, {"http-to-https", Refused}, {"ssl-option", Refused}, {"chroot", Refused}, {"cap", Refused}, {"limit-nproc", Refused},
	{"route-remote-addr", Refused}, {"unshare", Refused}, {"cgroup", Refused}, {"http-uid", Refused},
}

func TestWhatPeopleUseMostIsHonouredAndWhatProtectsIsHonouredOrEndsTheStart(t *testing.T) {
	rows := map[string]*Row{}
	for _, row := range Rows() {
		for _, name := range row.Names {
			rows[name] = &row
		}
	}
	for _, f := range first {
		row := rowOf(rows, f.option)
		switch {
		case row == nil || row.Treatment != f.want:
			t.Errorf("%s is not %s: %+v", f.option, f.want, row)
		case row.Treatment == Ignored && row.Says == "":
			t.Errorf("%s: it is not said why nothing is lost", f.option)
		}
	}
}

func TestAnAbstractAddressForStatsIsListed(t *testing.T) {
	c, err := mapped(t, "[uwsgi]\nstats = @shop\n")
	if err != nil || len(c.Notes) != 1 || c.Notes[0].Option.Name != "stats" || told(c) != "" {
		t.Errorf("%+v %v", c, err)
	}
}

func TestValuesOfTheWrongKindAreErrors(t *testing.T) {
	for text, says := range map[string]string{
		"processes = many":               `app.ini:2: processes is "many": it must be a whole number`,
		"harakiri = -1":                  "app.ini:2: harakiri is",
		"chmod-socket = rw":              "an octal number",
		"stats = 9191":                   "app.ini:2: stats is 9191, which is no address",
		"http = 8000":                    "app.ini:2: http is 8000, which is no address",
		"http =":                         "app.ini:2: http has no address",
		"module =":                       "app.ini:2: module has no value",
		"mount = shop:app":               "it must be /prefix=module:callable",
		"static-map = st":                "it must be /prefix=directory",
		"add-header = X":                 "it must be Name: value",
		"locks = 100":                    "at most 64",
		"chdir = /srv/%(nothing)":        "app.ini:2: chdir has %(nothing), and nothing of that name is in the file",
		"http = :$(NO_PORT)":             "there is no such environment variable",
		"strict = true\nprocesess = 1":   "app.ini:3: there is no option processess in uWSGI",
		"protocol = fastcgi\nhttp = :80": "the protocol fastcgi is not spoken",
	} {
		says = strings.Replace(says, "processess", "procesess", 1)
		if _, err := mapped(t, "[uwsgi]\n"+text+"\n"); err == nil || !strings.Contains(err.Error(), says) || fault.Of(fault.Each(err)[0]) == nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestWorkersAreTold(t *testing.T) {
	c, err := mapped(t, "[uwsgi]\nprocesses = 3\nmaster\nstatic-map = /s=st\ncheck-static = /srv\nstatic-map2 = /a=/b\nadd-header = A: b\nlocks = 2\nimport = x\n")
	if err != nil {
		t.Fatal(err)
	}
	p := c.Payload
	if p.Locks != 2 || len(p.Static) != 3 || !p.Static[2].Whole || p.Static[1].Prefix != "" || !strings.HasSuffix(p.Static[0].Directory, "/st") ||
		p.AddHeader[0] != "A: b" || p.Import[0] != "x" || len(p.Options) != 8 || p.Options[1] != [2]string{"master", ""} {
		t.Errorf("%+v", p)
	}
	if text, err := json.Marshal(p); err != nil || len(text) < 100 {
		t.Errorf("%s, %v", text, err)
	}
}

func TestTheWorkersAreNotToldTooMuch(t *testing.T) {
	_, err := mapped(t, "[uwsgi]\n"+strings.Repeat("long_placeholder = "+strings.Repeat("x", 1000)+"\n", 50))
	if err == nil || !strings.Contains(err.Error(), "more than 40960 bytes") {
		t.Error(err)
	}
}

func TestTheTableIsSound(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range Rows() {
		for _, name := range row.Names {
			beginning, family := strings.CutSuffix(name, "*")
			matches := slices.ContainsFunc(knownNames(), func(known string) bool {
				return known == name || family && strings.HasPrefix(known, beginning)
			})
			if seen[name] || !matches {
				t.Errorf("%s is there twice, or is no option of uWSGI", name)
			}
			seen[name] = true
		}
		switch row.Treatment {
		case Mapped:
			for name := range strings.SplitSeq(row.Setting, ",") {
				if _, ok := settings.Named(name); !ok || row.apply == nil {
					t.Errorf("%s is mapped to %s, which is no setting", row.Names[0], name)
				}
			}
		case Module:
			if row.apply == nil {
				t.Errorf("%s: nobody does it", row.Names[0])
			}
		default:
			if row.Says == "" {
				t.Errorf("%s: nothing is said of it", row.Names[0])
			}
		}
	}
	if len(seen) < 300 || len(knownNames()) < 900 || !slices.IsSorted(knownNames()) {
		t.Errorf("%d names in the table, %d known", len(seen), len(knownNames()))
	}
}
