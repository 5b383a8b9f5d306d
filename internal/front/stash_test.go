//go:build linux

package front_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"testing"

	"speyside.dev/speyside/internal/slot/slottest"
)

// What clients that read slowly have not taken keeps neither a thread nor, in the end, a slot.

func TestMoreSlowReadersThanSlotsLeaveRoomForOthers(t *testing.T) {
	const slow = 80 // for 64 slots and one thread
	large := bytes.Repeat([]byte("0123456789abcdef"), 4<<20/16)
	w := start(t, 1, 1)
	w.work(0, func(worker *slottest.Worker, i uint32) {
		if bytes.HasPrefix(worker.RequestHead(i), []byte("GET /large")) {
			worker.Head(i, 200, "200 OK", "", nil, 0)
			stream(worker, i, large)
		} else {
			hello(worker, i)
		}
	})
	var clients []net.Conn
	for range slow {
		c := w.dial()
		check(t, c.(*net.TCPConn).SetReadBuffer(1<<16))
		fmt.Fprint(c, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
		clients = append(clients, c)
	}
	other := w.dial()
	fmt.Fprint(other, get)
	if reply, body := w.read(bufio.NewReader(other)); reply.StatusCode != 200 || body != "Hello World !" {
		t.Fatalf("got %v %q", reply, body)
	}
	for n, c := range clients {
		switch {
		case n%4 > 0:
			_ = c.Close()
		default:
			check(t, c.(*net.TCPConn).SetReadBuffer(4<<20)) // fast from now on
			r := bufio.NewReader(c)
			if _, body := w.read(r); body != string(large) {
				t.Fatalf("client %d got %d other bytes", n, len(body))
			}
			fmt.Fprint(c, get)
			if reply, _ := w.read(r); reply.StatusCode != 200 {
				t.Fatalf("client %d got %v for its next request", n, reply)
			}
		}
	}
}
