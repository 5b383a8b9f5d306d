package observe

import (
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/slogtest"
	"time"
)

func jsonLogger() (*slog.Logger, *lines) {
	var out lines
	return slog.New(NewJSONHandler(&out, slog.LevelInfo)), &out
}

// decoded is a record, without its time.
func decoded(t *testing.T, line string) map[string]any {
	t.Helper()
	var read map[string]any
	if err := json.Unmarshal([]byte(line), &read); err != nil {
		t.Fatalf("%v in %q", err, line)
	}
	if _, err := time.Parse(time.RFC3339Nano, read["time"].(string)); err != nil {
		t.Error(err)
	}
	return read
}

func TestJSONRecordHasTheFieldsInTheirOrder(t *testing.T) {
	log, out := jsonLogger()
	log.With("generation", 2).Warn("worker reaped", "worker", 3, "took", 1500*time.Millisecond, "up", true, "error", errors.New("no file"), Text("a\n\nb\n"))
	want := `","level":"warning","event":"worker reaped","worker":3,"took":1.5,"up":true,"error":"no file","generation":2,"text":"a\n\nb"}` + "\n"
	if got := (*out)[0][len(`{"time":"2006-01-02T15:04:05.000-07:00`):]; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	log.Log(t.Context(), slog.LevelError+4, "the end")
	if got := decoded(t, (*out)[1]); got["level"] != "critical" || got["text"] != nil {
		t.Errorf("%v", got)
	}
}

func TestJSONKeepsWhatAnybodySaysInItsField(t *testing.T) {
	log, out := jsonLogger()
	hostile := "a\"\\\r\n\t\x00\x1b\x7f\u009b\u202e\U000e0041\xff{}"
	log.Info(hostile, hostile, hostile, "time", "mine", Text(hostile))
	line := (*out)[0]
	for i, r := range line {
		if (r < ' ' || r >= 0x7f) && i != len(line)-1 {
			t.Errorf("%q at %d of %q", r, i, line)
		}
	}
	read, want := decoded(t, line), "a\"\\\r\n\t\x00\x1b\x7f\u009b\u202e\U000e0041\u00ff{}"
	if read["event"] != want || read[want] != want || read["text"] != want || read["time_"] != "mine" {
		t.Errorf("%q", line)
	}
}

func TestJSONHandlerKeepsTheContractOfSlog(t *testing.T) {
	var out lines
	slogtest.Run(t, func(*testing.T) slog.Handler {
		out = nil
		return NewJSONHandler(&out, slog.LevelInfo)
	}, func(t *testing.T) map[string]any {
		if t.Name() == "TestJSONHandlerKeepsTheContractOfSlog/zero-time" {
			t.Skip("a line without a time of its own gets the present one")
		}
		read := decoded(t, out[0])
		nested := map[string]any{slog.LevelKey: read["level"], slog.MessageKey: read["event"], slog.TimeKey: read["time"]}
		delete(read, "time")
		for key, value := range read {
			place(nested, key, value)
		}
		return nested
	})
}

// place puts a value where the dots of its name lead.
func place(in map[string]any, name string, value any) {
	parts := strings.Split(name, ".")
	for _, group := range parts[:len(parts)-1] {
		if in[group] == nil {
			in[group] = map[string]any{}
		}
		in = in[group].(map[string]any)
	}
	in[parts[len(parts)-1]] = value
}
