package gunicorn

import (
	"fmt"
	"strings"
	"testing"

	"speyside.dev/speyside/internal/fault"
)

func written(a *Args) string {
	var parts []string
	for _, v := range a.Values {
		parts = append(parts, fmt.Sprintf("%s=%s", v.Name, v.JSON))
	}
	return strings.Join(append(parts, a.Apps...), " ")
}

func TestCommandLineIsReadAsGunicornReadsIt(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"app:app", "app:app"},
		{"-w 3 app:app -b :80", `workers="3" bind=[":80"] app:app`},
		{"-w3 -k=gevent app", `workers="3" worker_class="gevent" app`},
		{"--workers=3 --work 4 app", "--work may be --worker-class or --worker-connections or --worker-tmp-dir or --workers [SPY0002]"},
		{"--workers=3 --workers 4 app", `workers="4" app`},
		{"--preload --daemon -R app", `preload_app=true daemon=true enable_stdio_inheritance=true app`},
		{"-DR app", `daemon=true enable_stdio_inheritance=true app`},
		{"-Dw4 app", `daemon=true workers="4" app`},
		{"-b a -b b --bind=c", `bind=["a","b","c"]`},
		{"-c x.py -e A=1 -e B=2 app", `config="x.py" raw_env=["A=1","B=2"] app`},
		{"--access-logfile - app", `accesslog="-" app`},
		{"--log-file=- app", `errorlog="-" app`},
		{"--error-logfile=- app", `errorlog="-" app`},
		{"--proxy-protocol app", `proxy_protocol="app"`},
		{"app --proxy-protocol", `proxy_protocol="auto" app`},
		{"--proxy-protocol --preload app", `proxy_protocol="auto" preload_app=true app`},
		{"--no-sendfile app", `sendfile=false app`},
		{"--limit-request-field_size 10 app", `limit_request_field_size="10" app`},
		{"--timeo 5 app", `timeout="5" app`},
		{"-t -1 app", `timeout="-1" app`},
		{"-- -app", `-app`},
		{"--workers", "--workers needs a value [SPY0002]"},
		{"--workers --preload app", "--workers needs a value [SPY0002]"},
		{"--preload=yes app", "--preload takes no value, and has yes [SPY0002]"},
		{"-D=yes app", "-D takes no value, and has yes [SPY0002]"},
		{"--wrokers 3 app", "there is no flag --wrokers in gunicorn [SPY0002] did you mean --workers? docs/migrating-gunicorn.md lists gunicorn's flags."},
		{"-x app", "there is no flag -x in gunicorn [SPY0002]"},
	} {
		args, err := Parse(strings.Fields(c.line), "")
		if err != nil {
			got := fmt.Sprintf("%s [%s] %s", err, fault.Of(err).Code, fault.Hint(err))
			if !strings.HasPrefix(got, c.want) {
				t.Errorf("%s: %s instead of %s", c.line, got, c.want)
			}
		} else if written(args) != c.want {
			t.Errorf("%s: %s instead of %s", c.line, written(args), c.want)
		}
	}
}

func TestHelpAndVersionAreFound(t *testing.T) {
	for line, want := range map[string]Args{"-h": {Help: true}, "--help app": {Help: true}, "-v": {Version: true}, "--vers": {Version: true}} {
		if args, err := Parse(strings.Fields(line), ""); err != nil || args.Help != want.Help || args.Version != want.Version {
			t.Errorf("%s: %v %v", line, args, err)
		}
	}
}

func TestCmdArgsAreCutAsAShellDoes(t *testing.T) {
	for text, want := range map[string]string{
		``:                                   `[]`,
		` -w  3 `:                            `["-w" "3"]`,
		`--env 'A=b c' -e "D=\"e\" \f"`:      `["--env" "A=b c" "-e" "D=\"e\" \\f"]`,
		`--name a\ b''c ""`:                  `["--name" "a bc" ""]`,
		`--access-logformat '%(h)s "%(r)s"'`: `["--access-logformat" "%(h)s \"%(r)s\""]`,
	} {
		list, err := words(text)
		if got := fmt.Sprintf("%q", list); err != nil || got != want {
			t.Errorf("%s: %s %v instead of %s", text, got, err, want)
		}
	}
	for _, text := range []string{`'`, `a "b`, `a\`} {
		if _, err := FromEnv(environment(CmdArgs, text)); fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), CmdArgs) {
			t.Errorf("%s: %v", text, err)
		}
	}
	values, err := FromEnv(environment(CmdArgs, "--workers 3"))
	if err != nil || len(values) != 1 || values[0].Source != "GUNICORN_CMD_ARGS --workers" {
		t.Errorf("%v %v", values, err)
	}
	if _, err := FromEnv(environment(CmdArgs, "--wokers 3")); err == nil || !strings.HasPrefix(err.Error(), "GUNICORN_CMD_ARGS: there is no flag --wokers") {
		t.Error(err)
	}
}
