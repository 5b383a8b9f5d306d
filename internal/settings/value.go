package settings

import (
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"speyside.dev/speyside/internal/accesslog"
)

// Type says how the text of a setting is read.
type Type string

// The types.
const (
	Int       Type = "int"
	Mode      Type = "mode"          // an int, octal with a leading 0
	Duration  Type = "duration"      // 30s, 1m30s, or a number of seconds
	Size      Type = "size"          // 10MB, 64k, or a number of bytes
	String    Type = "string"        //
	Path      Type = "path"          //
	List      Type = "list"          // separated by commas
	Addresses Type = "address list"  // one for each flag
	Level     Type = "level"         //
	Bool      Type = "switch"        // on or off
	Routes    Type = "route list"    // one for each flag
	Variables Type = "variable list" // one for each flag
)

// Check is what a value must be: in words, and as a test of it after it has been read.
type Check struct {
	Says string
	OK   func(value any) bool

	Words     []string // the only values, where they are words
	Low, High int      // the range of an int; both 0: it has none
}

var (
	aProgram  = Check{Says: "the path or the name of a program", OK: func(value any) bool { return value != "" }}
	anAddress = Check{Says: "an address such as 127.0.0.1:8000, [::1]:8000 or unix:PATH", OK: func(any) bool { return true }}
	aLevel    = Check{Says: "one of " + strings.Join(levelNames, ", "), Words: levelNames, OK: func(any) bool { return true }}
	notEmpty  = Check{Says: "a text that is not empty", OK: func(value any) bool { return value != "" }}

	aRootPath = Check{Says: "a path that begins with a slash and does not end with one", OK: func(value any) bool {
		path := value.(string)
		return path == "" || path[0] == '/' && path[len(path)-1] != '/'
	}}

	aCheckPath = Check{Says: "a path that begins with a slash, without a question mark", OK: func(value any) bool {
		path := value.(string)
		return strings.HasPrefix(path, "/") && !strings.ContainsAny(path, "?# ")
	}}

	aSwitch = Check{Says: "on or off", OK: func(any) bool { return true }}
	aWarmup = Check{Says: "paths that begin with a slash, or module:callable", OK: func(value any) bool {
		one, ok := value.(string)
		return ok && (strings.HasPrefix(one, "/") || strings.Contains(one, ":"))
	}}
	aRoute = Check{Says: "a path prefix and what is different there: '/upload/ stream_request=on'", OK: func(any) bool { return true }}

	aDirectory = Check{Says: "a directory that exists", OK: func(value any) bool {
		info, err := os.Stat(value.(string))
		return err == nil && info.IsDir()
	}}
	upToAPetabyte = sizeUpTo(1<<50, "1048576GB")
	atMostADay    = Check{Says: "seconds or a duration such as 1m30s, from 0 to 24h", OK: func(value any) bool {
		d := value.(time.Duration)
		return d >= 0 && d <= 24*time.Hour
	}}
)

// aSpan is the life of a worker.
var aSpan = Check{Says: "seconds or a duration such as 12h, from 0 to 8760h", OK: func(value any) bool {
	d := value.(time.Duration)
	return d >= 0 && d <= 365*24*time.Hour
}}

// aCalm is long enough to be looked at.
var aCalm = Check{Says: "seconds or a duration such as 1m30s, from 0.1 to 24h", OK: func(value any) bool {
	d := value.(time.Duration)
	return d >= 100*time.Millisecond && d <= 24*time.Hour
}}

// aMemoryLimit refuses a number that is meant in MB: no Python is as small as that.
var aMemoryLimit = Check{Says: "0 or a size such as 300MB or 2GB, from 1MB to 1048576GB", OK: func(value any) bool {
	n := value.(int64)
	return n == 0 || n >= 1<<20 && n <= 1<<50
}}

var aSwitchInterval = Check{Says: "auto, off, or seconds from 0.00001 to 1", OK: func(value any) bool {
	d := value.(time.Duration)
	return d == AutoSwitchInterval || d == 0 || d >= 10*time.Microsecond && d <= time.Second
}}

func sizeUpTo(high int64, text string) Check {
	return Check{Says: "a number of bytes or a size such as 64kB, 10MB or 1GB, from 0 to " + text, OK: func(value any) bool {
		return value.(int64) >= 0 && value.(int64) <= high
	}}
}

// preloads are whether the application is loaded once, before the workers are forked.
var preloads = []string{"auto", "on", "off"}

// headerMaps are gunicorn's values, in the order of http1.Underscores.
var headerMaps = []string{"drop", "refuse", "dangerous"}

var (
	proxyFamilies  = []string{"off", "x-forwarded", "forwarded"}
	proxyProtocols = []string{"off", "v1", "v2", "auto"}
)

// aNetwork refuses a network with bits beyond its mask, as gunicorn does: one of the two numbers is mistyped.
var aNetwork = Check{Says: "addresses, networks such as 10.0.0.0/8 without bits beyond the mask, or *", OK: func(value any) bool {
	text := value.(string)
	if ip, err := netip.ParseAddr(text); text == "*" || err == nil && ip.Zone() == "" {
		return true
	}
	network, err := netip.ParsePrefix(text)
	return err == nil && network.Masked() == network
}}

var aVariable = Check{Says: "a variable as NAME=VALUE", OK: func(value any) bool {
	name, _, found := strings.Cut(value.(string), "=")
	return found && name != "" && !strings.ContainsRune(value.(string), 0)
}}

var aSecureHeader = Check{Says: "headers as NAME=VALUE", OK: func(value any) bool {
	name, secure, _ := strings.Cut(value.(string), "=")
	return name != "" && secure != "" && !strings.ContainsAny(name, " \t:")
}}

func oneOf(words ...string) Check {
	last := len(words) - 1
	return Check{Says: strings.Join(words[:last], ", ") + " or " + words[last], Words: words, OK: func(value any) bool {
		return slices.Contains(words, value.(string))
	}}
}

func between(low, high int) Check {
	return Check{Says: fmt.Sprintf("an integer from %d to %d", low, high), Low: low, High: high, OK: func(value any) bool {
		return value.(int) >= low && value.(int) <= high
	}}
}

func octalUpTo(high int) Check {
	return Check{Says: fmt.Sprintf("an integer from 0 to 0o%o", high), High: high, OK: between(0, high).OK}
}

// levelNames are gunicorn's; the levels are slog's, with one above for critical.
var levelNames = []string{"debug", "info", "warning", "error", "critical"}

var levels = []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError, slog.LevelError + 4}

// Says is what the setting's text must be, in words.
func (s *Setting) Says() string {
	if s.auto != nil {
		return "auto or " + s.Check.Says
	}
	return s.Check.Says
}

// set reads the texts and puts the value where the setting's field is. The error is the reason alone, without the
// setting's name.
func (s *Setting) set(to *Settings, app *App, texts []string, m machine) error {
	switch field := s.at(to, app).(type) {
	case *[]string:
		return setEach(s, field, texts, parseText)
	case *[]Address:
		return setEach(s, field, texts, ParseBind)
	case *string:
		return setOne(s, field, texts, s.parseText)
	case *time.Duration:
		return setOne(s, field, texts, s.parseDuration)
	case *int64:
		return setOne(s, field, texts, parseSize)
	case *bool:
		return setOne(s, field, texts, parseSwitch)
	case *[]Route:
		return setEach(s, field, texts, ParseRoute)
	case *slog.Level:
		return setOne(s, field, texts, parseLevel)
	case *int:
		return setOne(s, field, texts, func(text string) (int, error) { return s.parseInt(text, app, m) })
	default:
		panic(fmt.Sprintf("settings: %s has a field of type %T", s.Name, field))
	}
}

// at is where the value goes.
func (s *Setting) at(to *Settings, app *App) any {
	if s.own != nil {
		return s.own(app)
	}
	return s.field(to)
}

func setOne[T any](s *Setting, field *T, texts []string, parse func(string) (T, error)) error {
	value, err := parse(strings.TrimSpace(texts[len(texts)-1]))
	if err == nil && !s.Check.OK(value) {
		err = errNotInRange
	}
	if err == nil {
		*field = value
	}
	return s.reason(err)
}

func setEach[T any](s *Setting, field *[]T, texts []string, parse func(string) (T, error)) error {
	*field = nil
	for _, text := range texts {
		value, err := parse(strings.TrimSpace(text))
		if err == nil && !s.Check.OK(value) {
			err = errNotInRange
		}
		if err != nil {
			return s.reason(err)
		}
		*field = append(*field, value)
	}
	return nil
}

// errNotInRange stands for the check's own words.
var errNotInRange = fmt.Errorf("not in range")

func (s *Setting) reason(err error) error {
	if err == errNotInRange {
		return fmt.Errorf("it must be %s", s.Says())
	}
	return err
}

var anAccessFormat = Check{Says: "common, combined, json, logfmt, or a text with gunicorn's atoms", OK: func(any) bool { return true }}

// aFormat says what is wrong with a format of the access log.
func aFormat(text string) error {
	_, err := accesslog.Compile(text)
	return err
}

func (s *Setting) parseText(text string) (string, error) {
	if s.read == nil {
		return text, nil
	}
	return text, s.read(text)
}

func parseText(text string) (string, error) { return text, nil }

func (s *Setting) parseInt(text string, to *App, m machine) (int, error) {
	if s.auto != nil && text == "auto" {
		return s.auto(to, m), nil
	}
	base := 10
	if s.Type == Mode {
		base = 0
	}
	value, err := strconv.ParseInt(text, base, 32)
	if err != nil {
		return 0, errNotInRange
	}
	return int(value), nil
}

func (s *Setting) parseDuration(text string) (time.Duration, error) {
	if value, ok := s.words[text]; ok {
		return value, nil
	}
	value, err := parseDuration(text)
	if err == nil && value < 0 && s.words != nil {
		return 0, errNotInRange // it might be what a word stands for
	}
	return value, err
}

func parseDuration(text string) (time.Duration, error) {
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		if math.IsNaN(seconds) || math.Abs(seconds) > 1e9 {
			return 0, errNotInRange
		}
		return time.Duration(seconds * float64(time.Second)), nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, errNotInRange
	}
	return d, nil
}

func parseSwitch(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "on", "true", "yes", "1":
		return true, nil
	case "off", "false", "no", "0":
		return false, nil
	}
	return false, errNotInRange
}

// parseSize reads a number of bytes; a unit is a power of 1024: 64k, 64kB, 10MB, 1G. One space may stand before it.
func parseSize(text string) (int64, error) {
	digits := strings.TrimRight(text, "kKmMgGbB ")
	number, err := strconv.ParseFloat(digits, 64)
	unit := strings.TrimSuffix(strings.ToLower(strings.TrimPrefix(text[len(digits):], " ")), "b")
	shift, known := map[string]int{"": 0, "k": 10, "m": 20, "g": 30}[unit]
	if err != nil || !known || math.IsNaN(number) || math.Abs(number) > 1<<20*(1<<30) {
		return 0, errNotInRange
	}
	return int64(number * float64(int64(1)<<shift)), nil
}

func parseLevel(text string) (slog.Level, error) {
	i := slices.Index(levelNames, strings.ToLower(text))
	if i < 0 {
		return 0, errNotInRange
	}
	return levels[i], nil
}
