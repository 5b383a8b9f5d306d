//go:build linux

package front_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"speyside.dev/speyside/internal/front"
	"speyside.dev/speyside/internal/spool"
	"speyside.dev/speyside/internal/wire"
)

// logged is what the access log says of one request.
type logged struct {
	Method, Path, Outcome string
	Status                int
	Bytes                 int64
	Worker                *int
	RequestID             string `json:"request_id"`
	Duration              float64
	ReplyAfter            float64 `json:"reply_after"`
}

// logging is a world with an access log, and what reads so many lines of it.
func logging(t *testing.T) (*world, func(int) []logged) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	spool, err := spool.New(t.TempDir(), 0)
	check(t, err)
	w := startOn(t, 1, 4, spool, func(o *front.Options) { o.AccessLog = accessLog(t, "json", path) })
	return w, func(count int) (all []logged) {
		t.Helper()
		var lines []string
		eventually(t, fmt.Sprint(count, " lines"), func() bool {
			text, err := os.ReadFile(path)
			check(t, err)
			lines = strings.SplitAfter(string(text), "\n")
			return len(lines) > count
		})
		for _, line := range lines[:len(lines)-1] {
			var one logged
			check(t, json.Unmarshal([]byte(line), &one))
			all = append(all, one)
		}
		if len(all) != count {
			t.Fatalf("%d lines, and not %d: %+v", len(all), count, all)
		}
		return all
	}
}

func TestBytesOfAParkedReplyAreThoseOfItsBody(t *testing.T) {
	for _, minor := range []int{0, 1} { // with the connection's end, and in chunks
		t.Run(fmt.Sprint("HTTP/1.", minor), func(t *testing.T) {
			w, read := logging(t)
			worker := w.join(0)
			client := w.dialUnix()
			fmt.Fprintf(client, requestLine, minor)
			i := w.started(worker)
			worker.Head(i, 200, "200 OK", "", []byte("begun"), 0)
			all := w.fill(worker, i)
			worker.Move(i, wire.StateStarted, wire.StateDone)
			worker.Ring(i)
			eventually(t, "parked", func() bool { return worker.Kind(i) == wire.StateFree })
			reply, err := http.ReadResponse(bufio.NewReader(client), nil)
			check(t, err)
			body, err := io.ReadAll(reply.Body)
			check(t, err)
			one := read(1)[0]
			if one.Bytes != int64(len(body)) || len(body) != len("begun")+len(all) || one.Outcome != "served" || one.Status != 200 {
				t.Errorf("%d bytes came: %+v", len(body), one)
			}
		})
	}
}

func TestBytesOfAReplyThatIsNotTakenAreThoseThatWere(t *testing.T) {
	w, read := logging(t)
	worker := w.join(0)
	client := w.dialUnix()
	fmt.Fprintf(client, requestLine, 1)
	i := w.started(worker)
	worker.Head(i, 200, "200 OK", "", nil, 0)
	all := w.fill(worker, i)
	worker.Move(i, wire.StateStarted, wire.StateDone)
	worker.Ring(i)
	eventually(t, "parked", func() bool { return worker.Kind(i) == wire.StateFree })
	check(t, client.Close())
	one := read(1)[0]
	if one.Outcome != "client_left" || one.Status != 200 || one.Bytes <= 0 || one.Bytes >= int64(len(all)) {
		t.Errorf("of %d bytes: %+v", len(all), one)
	}
}

func TestNoteOfALongHeadIsNotKept(t *testing.T) {
	w, read := logging(t)
	w.work(0, fixed)
	client := w.dial()
	replies := bufio.NewReader(client)
	for want, path := range []string{strings.Repeat("x", 7000), "short"} {
		fmt.Fprintf(client, "GET /%s HTTP/1.1\r\nHost: a\r\n\r\n", path)
		w.read(replies)
		read(want + 1) // all lines so far
		if kept := w.front.SpareNotes(0); kept != want {
			t.Errorf("%d notes are kept after a path of %d bytes", kept, len(path))
		}
	}
}

func TestEachOfSeveralRequestsAtOnceHasItsLine(t *testing.T) {
	w, read := logging(t)
	w.work(0, fixed)
	client := w.dial()
	const n = 50
	var all strings.Builder
	for i := range n {
		fmt.Fprintf(&all, "GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i)
	}
	_, err := io.WriteString(client, all.String()+"GET /bad HTTP/1.1\r\n\r\n")
	check(t, err)
	_, err = io.Copy(io.Discard, client)
	check(t, err)
	seen := map[string]bool{}
	for i, one := range read(n + 1) {
		path, status, outcome := fmt.Sprint("/", i), 200, "served"
		if i == n {
			path, status, outcome = "/bad", 400, "refused"
		}
		if one.Path != path || one.Status != status || one.Outcome != outcome || seen[one.RequestID] {
			t.Errorf("%d: %+v", i, one)
		}
		if i < n && (one.Worker == nil || one.RequestID == "" || one.ReplyAfter <= 0 || one.Duration < one.ReplyAfter) {
			t.Errorf("%d: %+v", i, one)
		}
		seen[one.RequestID] = true
	}
}

func TestRequestsThatTheEndOfTheFrontCutsHaveTheirLines(t *testing.T) {
	w, read := logging(t)
	worker := w.join(0)
	waits, idle := w.dial(), w.dial()
	fmt.Fprintf(waits, requestLine, 1)
	w.started(worker)
	fmt.Fprintf(idle, "GET / HT") // asks nothing yet
	w.front.Stop()
	one := read(1)[0]
	if one.Outcome != "cut" || one.Status != 503 || one.Worker == nil && one.RequestID == "" {
		t.Errorf("%+v", one)
	}
}
