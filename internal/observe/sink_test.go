//go:build linux

package observe

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// told is a log that tests read while others write to it.
type told struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *told) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *told) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func openSink(t *testing.T, path string) (*Sink, *told) {
	t.Helper()
	log := &told{}
	s, err := OpenSink("access log", path, slog.New(NewHandler(log, slog.LevelInfo)))
	if err != nil {
		t.Fatal(err)
	}
	return s, log
}

// put hands over lines, and says whether there was a buffer.
func put(s *Sink, lines ...string) bool {
	buffer := s.Take()
	if buffer == nil {
		s.Lose(len(lines))
		return false
	}
	for _, line := range lines {
		buffer = append(buffer, line+"\n"...)
	}
	s.Write(buffer, len(lines))
	return true
}

func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not within 10 s: " + what)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestSinkWritesAtTheEndOfTheFileAndAllOfItBeforeItCloses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, log := openSink(t, path)
	want := "before\n"
	for i := range 1000 {
		line := fmt.Sprint("line ", i)
		for !put(s, line) { // who hands over faster than it is written loses lines; here that is to be waited for
			time.Sleep(time.Millisecond)
		}
		want += line + "\n"
	}
	s.Close(10 * time.Second)
	if got := read(t, path); got != want {
		t.Errorf("%d bytes, and not %d", len(got), len(want))
	}
	if s.Lost() == 0 && log.String() != "" {
		t.Error(log.String())
	}
}

func TestSinkGoesOnInTheNewFileAfterReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	s, log := openSink(t, path)
	put(s, "one")
	await(t, "the first line", func() bool { return read(t, path) == "one\n" })
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	put(s, "two")
	await(t, "the second line", func() bool { return read(t, path+".1") == "one\ntwo\n" })
	s.Reopen()
	await(t, "the record", func() bool { return strings.Contains(log.String(), "INFO  access log reopened path="+path) })
	put(s, "three")
	s.Close(10 * time.Second)
	if got := read(t, path); got != "three\n" {
		t.Errorf("%q", got)
	}
}

func TestSinkOfAPipeThatNobodyReadsLosesLinesAndWaitsForNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	s, log := openSink(t, path)
	long, took := strings.Repeat("x", SinkBuffer-1), 0
	for put(s, long) {
		if took++; took > 3*sinkBuffers {
			t.Fatal("there is no bound")
		}
	}
	if took < sinkBuffers {
		t.Errorf("%d buffers", took)
	}
	await(t, "the record", func() bool {
		return strings.Contains(log.String(), "ERROR access log lines lost lines=1 path="+path+` why="they come faster than they are written"`)
	})
	began := time.Now()
	s.Close(50 * time.Millisecond)
	if since := time.Since(began); since > 5*time.Second {
		t.Errorf("its end took %v", since)
	}
	if !strings.Contains(log.String(), `why="the server has ended before they were written"`) {
		t.Error(log.String())
	}
}

func TestSinkCountsWholeLinesOnAFullDisk(t *testing.T) {
	s, log := openSink(t, "/dev/full")
	put(s, "one", "two", "three")
	await(t, "the record", func() bool {
		return strings.Contains(log.String(), `ERROR access log lines lost lines=3 path=/dev/full why="no space left on device"`)
	})
	put(s, "four")
	s.Close(time.Second)
	if s.Lost() != 4 || !strings.Contains(log.String(), "lines lost lines=1 ") {
		t.Errorf("%d lost: %s", s.Lost(), log.String())
	}
}

func TestSinkBeginsALineOfItsOwnAfterATornOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	s, _ := openSink(t, path)
	s.Close(time.Second)
	var err error
	if s.file, err = OpenLog(path); err != nil {
		t.Fatal(err)
	}
	// What a full disk leaves: half a line.
	if _, err := s.file.WriteString("whole\nto"); err != nil {
		t.Fatal(err)
	}
	s.torn = true
	s.write(batch{[]byte("next\n"), 1})
	if got := read(t, path); got != "whole\nto\nnext\n" {
		t.Errorf("%q", got)
	}
}

func TestPipesGetWholeLinesThatTheKernelMixesWithNothing(t *testing.T) {
	s := &Sink{most: pipeAtOnce}
	for _, c := range []struct{ text, want string }{
		{"short\n", "short\n"},
		{strings.Repeat("a", 3000) + "\n" + strings.Repeat("b", 3000) + "\n", strings.Repeat("a", 3000) + "\n"},
		{strings.Repeat("a", 9000) + "\nb\n", strings.Repeat("a", 9000) + "\n"},
	} {
		if got := c.text[:s.atOnce([]byte(c.text))]; got != c.want {
			t.Errorf("%d bytes, and not %d", len(got), len(c.want))
		}
	}
}

func TestSinkGivesItsLinesToAnotherOneToo(t *testing.T) {
	for _, path := range []string{"", filepath.Join(t.TempDir(), "access.log")} {
		var given []string
		s, err := OpenSinkBeside("access log", path, slog.New(slog.DiscardHandler), func(line []byte) { given = append(given, string(line)) })
		if err != nil {
			t.Fatal(err)
		}
		put(s, "one", "two")
		s.Reopen()
		put(s, "three")
		s.Close(20 * time.Second)
		if got := strings.Join(given, " "); got != "one two three" || s.Lost() != 0 {
			t.Errorf("%q: %q, %d lost", path, got, s.Lost())
		}
		if path == "" {
			continue
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != "one\ntwo\nthree\n" {
			t.Errorf("%q, %v", text, err)
		}
	}
}
