package control

import (
	"context"
	"io"
	"log/slog"
	"net"
	"testing"
)

// lateConn is closed for the sake of another client when its request has just been read.
type lateConn struct {
	net.Conn
	server *server
}

func (c lateConn) Read(p []byte) (int, error) {
	n := copy(p, "POST /stop HTTP/1.1\r\nHost: a\r\n\r\n")
	c.server.closeOldest()
	return n, nil
}

func TestOrderOfAClientThatWasSentAwayIsNotObeyed(t *testing.T) {
	s := newServer(nil, nil, 1, slog.New(slog.NewTextHandler(io.Discard, nil)))
	obeyed := false
	s.answer = func(context.Context, request) reply {
		obeyed = true
		return reply{status: 200}
	}
	ours, theirs := net.Pipe()
	defer theirs.Close()
	s.take(lateConn{ours, s})
	s.all.Wait()
	if obeyed {
		t.Error("the client keeps the place that another one has been given")
	}
}
