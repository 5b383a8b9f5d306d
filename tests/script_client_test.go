//go:build blackbox

package tests

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// address is where a server listens.
type address struct{ network, where string }

// find returns the address of a server of the script by its name, or reads one as a banner shows it.
func find(ts *testscript.TestScript, text string) address {
	if s := ts.Value(serversKey{}).(servers)[text]; s != nil {
		if len(s.urls) == 0 {
			ts.Fatalf("%s has no address yet: name it as http://HOST:PORT or unix:PATH", text)
		}
		text = s.urls[0]
	}
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		return address{"unix", ts.MkAbs(path)}
	}
	parsed, err := url.Parse(text)
	if err != nil || parsed.Host == "" {
		ts.Fatalf("%s is neither a server of this script nor an address", text)
	}
	return address{"tcp", parsed.Host}
}

func (a address) dial() (net.Conn, error) { return net.DialTimeout(a.network, a.where, patience) }

// ask sends one request over a connection of its own.
func (a address) ask(path string) (reply *http.Response, body string, err error) {
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return a.dial() },
	}
	client := http.Client{Transport: transport, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	reply, err = client.Get("http://localhost" + path)
	if err != nil {
		return nil, "", err
	}
	defer reply.Body.Close()
	bytes, err := io.ReadAll(reply.Body)
	return reply, string(bytes), err
}

// cmdGet sends a request and shows the reply's body, with -i its head too: get [-i] [-status CODE] ADDRESS PATH. The status must be
// 200, or CODE. With ! in front, there must be no whole reply.
func cmdGet(ts *testscript.TestScript, neg bool, args []string) {
	head, status := false, http.StatusOK
	for len(args) > 2 {
		switch number, err := strconv.Atoi(args[1]); {
		case args[0] == "-i":
			head, args = true, args[1:]
		case args[0] == "-status" && err == nil:
			status, args = number, args[2:]
		default:
			args = nil
		}
	}
	need(ts, false, len(args) == 2, "[!] get [-i] [-status CODE] ADDRESS PATH")
	reply, body, err := find(ts, args[0]).ask(args[1])
	switch {
	case neg && err == nil:
		ts.Fatalf("there was a reply: %s\n%s", reply.Status, body)
	case neg:
		fmt.Fprintln(ts.Stderr(), err)
		return
	case err != nil:
		ts.Fatalf("no reply: %v", err)
	}
	if head {
		fmt.Fprintf(ts.Stdout(), "%s %s\n", reply.Proto, reply.Status)
		for name, values := range reply.Header {
			fmt.Fprintf(ts.Stdout(), "%s: %s\n", name, strings.Join(values, ", "))
		}
	}
	fmt.Fprintln(ts.Stdout(), body)
	if reply.StatusCode != status {
		ts.Fatalf("the status is %s, want %d", reply.Status, status)
	}
}

// cmdTogether sends requests at the same time and shows the bodies sorted, one a line: together N ADDRESS PATH
func cmdTogether(ts *testscript.TestScript, neg bool, args []string) {
	number := 0
	if len(args) == 3 {
		number, _ = strconv.Atoi(args[0])
	}
	need(ts, neg, number > 0, "together N ADDRESS PATH")
	type answer struct {
		body string
		err  error
	}
	at := find(ts, args[1])
	answers := make(chan answer, number)
	for range number {
		go func() {
			_, body, err := at.ask(args[2])
			answers <- answer{body, err}
		}()
	}
	bodies := make([]string, 0, number)
	var failed error
	for range number {
		a := <-answers
		bodies = append(bodies, a.body)
		failed = errors.Join(failed, a.err)
	}
	ts.Check(failed)
	slices.Sort(bodies)
	fmt.Fprintln(ts.Stdout(), strings.Join(bodies, "\n"))
}

// cmdRaw sends bytes, written as in a Go string, and shows what comes back until the server closes the connection:
// raw [-open DURATION] ADDRESS BYTES. With -open the server must keep it open for so long.
func cmdRaw(ts *testscript.TestScript, neg bool, args []string) {
	var open time.Duration
	if len(args) == 4 && args[0] == "-open" {
		open, _ = time.ParseDuration(args[1])
		args = args[2:]
	}
	need(ts, neg, len(args) == 2, "raw [-open DURATION] ADDRESS BYTES")
	text, err := strconv.Unquote(`"` + args[1] + `"`)
	ts.Check(err)
	connection, err := find(ts, args[0]).dial()
	ts.Check(err)
	defer connection.Close()
	_, err = io.WriteString(connection, text)
	ts.Check(err)
	limit := open
	if open == 0 {
		limit = patience
	}
	ts.Check(connection.SetReadDeadline(time.Now().Add(limit)))
	reply, err := io.ReadAll(connection)
	fmt.Fprintln(ts.Stdout(), strings.ReplaceAll(string(reply), "\r\n", "\n"))
	late := errors.Is(err, context.DeadlineExceeded) || isTimeout(err)
	switch {
	case open == 0 && late:
		ts.Fatalf("the server did not close the connection within %s", patience)
	case open > 0 && !late:
		ts.Fatalf("the server closed the connection within %s (%v)", open, err)
	case !late:
		ts.Check(err)
	}
}

func isTimeout(err error) bool {
	var network net.Error
	return errors.As(err, &network) && network.Timeout()
}

// cmdConnects opens connections, at most N, one after the other until one is not taken at once, and shows how many were: connects N
// ADDRESS
func cmdConnects(ts *testscript.TestScript, neg bool, args []string) {
	most := 0
	if len(args) == 2 {
		most, _ = strconv.Atoi(args[0])
	}
	need(ts, neg, most > 0, "connects N ADDRESS")
	at, count := find(ts, args[1]), 0
	for ; count < most; count++ {
		connection, err := net.DialTimeout(at.network, at.where, time.Second/2)
		if err != nil {
			break
		}
		defer connection.Close()
	}
	fmt.Fprintln(ts.Stdout(), count)
}
