//go:build linux

package observe

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// relayed returns what becomes of messages and of lines.
func relayed(t *testing.T, raw bool, messages []string, lines string) string {
	t.Helper()
	log := &told{}
	var to *told
	if raw {
		to = log
	}
	r, err := newRelayTo(log, to)
	if err != nil {
		t.Fatal(err)
	}
	for _, message := range messages {
		if _, err := r.Files()[0].WriteString(message); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Files()[1].WriteString(lines); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	return log.String()
}

func newRelayTo(log, raw *told) (*Relay, error) {
	logger := slog.New(NewHandler(log, slog.LevelInfo))
	if raw == nil {
		return NewRelay(logger, nil)
	}
	return NewRelay(logger, raw)
}

func TestRecordsOfOthersAreWrittenAsOurs(t *testing.T) {
	got := relayed(t, true, []string{
		`{"level":"ERROR","event":"application raised","fields":[["id","a-1"],["pid",12],["detail","two words"]],"after":"Traceback\n  forged\u001b"}`,
		`{"level":"INFO","event":"noted\nforged","fields":[["odd"],["a b","c\nd"]]}`,
		`{"level":"DEBUG","event":"hidden"}`,
		`no JSON`,
		`{"level":"??","event":"unknown"}`,
	}, "")
	var bare []string
	for _, line := range strings.SplitAfter(got, "\n") {
		if line != "" && line[0] != ' ' {
			line = rest(line)
		}
		bare = append(bare, line)
	}
	want := "ERROR application raised id=a-1 pid=12 detail=\"two words\"\n    Traceback\n      forged\\x1b\n" +
		"INFO  noted\\nforged a b=\"c\\nd\"\n" + "ERROR unknown\n"
	if strings.Join(bare, "") != want {
		t.Errorf("got  %q\nwant %q", strings.Join(bare, ""), want)
	}
}

// each is a log that hands on one record after the other.
type each chan string

func (e each) Write(record []byte) (int, error) {
	e <- string(record)
	return len(record), nil
}

func TestMessageWithoutAByteIsNotTheEndOfRecords(t *testing.T) {
	log := make(each, 1)
	r, err := NewRelay(slog.New(NewHandler(log, slog.LevelInfo)), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, message := range []string{"", `{"level":"INFO","event":"after it"}`} {
		if err := unix.Send(int(r.Files()[0].Fd()), []byte(message), 0); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case record := <-log:
		if !strings.Contains(record, "after it") {
			t.Error(record)
		}
	case <-time.After(10 * time.Second):
		t.Error("no record came")
	}
	if err := r.Close(10 * time.Second); err != nil {
		t.Fatal(err)
	}
}

func TestLinesOfApplicationsGoToALogOfTextAsTheyAre(t *testing.T) {
	if got := relayed(t, true, nil, "one\n\x1b[1mtwo\nlast"); got != "one\n\x1b[1mtwo\nlast\n" {
		t.Errorf("%q", got)
	}
	long := strings.Repeat("x", longestRecord+10)
	if got := relayed(t, true, nil, long+"\n"); strings.ReplaceAll(got, "\n", "") != long {
		t.Errorf("%d bytes", len(got))
	}
	if got := relayed(t, false, nil, "one\n"); !strings.HasSuffix(got, "INFO  application printed\n    one\n") {
		t.Errorf("%q", got)
	}
}

func TestRelayDoesNotWaitForWhoKeepsTheDescriptors(t *testing.T) {
	log := &told{}
	r, err := newRelayTo(log, log)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := unix.Dup(int(r.Files()[1].Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(kept)
	began := time.Now()
	if err := r.Close(50 * time.Millisecond); err != nil || time.Since(began) > 5*time.Second {
		t.Error(err, time.Since(began))
	}
}

func TestLogFileIsReopenedAndKeptWhenThatCannotBe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "place", "log")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := OpenLogFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		t.Helper()
		if _, err := f.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	write("one\n")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write("two\n")
	if err := f.Reopen(); err != nil {
		t.Fatal(err)
	}
	write("three\n")
	if before, after := read(t, path+".1"), read(t, path); before != "one\ntwo\n" || after != "three\n" {
		t.Errorf("%q %q", before, after)
	}
	if err := os.Rename(filepath.Dir(path), filepath.Dir(path)+".gone"); err != nil {
		t.Fatal(err)
	}
	if err := f.Reopen(); err == nil {
		t.Error("it was reopened")
	}
	write("four\n")
	if got := read(t, filepath.Join(filepath.Dir(path)+".gone", "log")); got != "three\nfour\n" {
		t.Errorf("%q", got)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func TestLogInAPipeThatNobodyReadsDelaysNobodyForLong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := OpenLogFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	began, record := time.Now(), bytes.Repeat([]byte("x"), 4096)
	for range 200 { // a pipe has 16 of them
		_, _ = f.Write(record)
	}
	if since := time.Since(began); since > 2*time.Second {
		t.Errorf("it took %v", since)
	}
}
