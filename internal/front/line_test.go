//go:build linux

package front_test

import (
	"bufio"
	"net"
	"testing"

	"speyside.dev/speyside/internal/dispatch"
	"speyside.dev/speyside/internal/front"
)

func TestClientsThatHaveLeftAreNotCountedInLine(t *testing.T) {
	w := startWith(t, 1, 1, func(o *front.Options) { o.Line = dispatch.Bounds{Requests: 3} })
	var gone []*net.TCPConn
	for range 3 {
		gone = append(gone, w.ask("/gone"))
	}
	w.filled(3)
	for _, c := range gone {
		reset(c)
	}
	w.filled(0)
	c := w.ask("/here")
	w.filled(1)
	w.work(0, hello)
	if reply, _ := w.read(bufio.NewReader(c)); reply.StatusCode != 200 {
		t.Fatalf("got %v", reply)
	}
}
