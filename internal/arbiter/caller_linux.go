package arbiter

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/fault"
)

// A caller is a process that has started this front for itself, and serves in threads of its own. To the arbiter it is a zygote that has
// loaded, and worker 0. Nobody here ends it or sends it a signal: it goes on when the front ends, and the front ends when it does.

// Caller is how to talk with it.
type Caller struct {
	Control *os.File // our end of its control socket
	// Left is told when it wants nothing more served. It must not block.
	Left func()
}

// joinCaller does for a caller what startZygote does for a Python of ours.
func (a *Arbiter) joinCaller() {
	process, ours, err := a.options.Caller.open()
	if err != nil {
		a.finish(fault.New(fault.CallerGone, "%w", err))
		return
	}
	z := &zygote{process: process, control: ours, booted: true}
	a.zygote = z
	go func() {
		process.wait()
		ours.hush() // a child of the caller may hold its end of the socket
	}()
	go func() {
		for {
			f, err := ours.receive()
			if err != nil { // also of a message that is none: it is no caller of ours
				break
			}
			a.post(func() { a.zygoteSaid(z, f) })
		}
		a.post(a.letGo)
	}()
	if err := ours.send(a.loadOrder(), a.shared()...); err != nil {
		a.log.Error("caller did not take an order", "pid", process.pid, "error", err)
		a.letGo()
	}
}

// open finds out which process is at the other end, and watches it.
func (c *Caller) open() (*process, *control, error) {
	raw, err := c.Control.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	var peer *unix.Ucred
	var failed error
	if err := raw.Control(func(fd uintptr) { peer, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return nil, nil, err
	}
	if failed != nil {
		return nil, nil, fmt.Errorf("the control socket does not tell who has made it: %w", failed)
	}
	p, err := open(int(peer.Pid))
	if err != nil {
		return nil, nil, err
	}
	p.foreign = true
	if os.Getppid() != p.pid { // read after open: the number is still the caller's
		p.close()
		return nil, nil, fmt.Errorf("process %d has ended", p.pid)
	}
	conn, err := net.FileConn(c.Control)
	if err != nil {
		p.close()
		return nil, nil, fmt.Errorf("taking the control socket: %w", err)
	}
	seqpacket, ok := conn.(*net.UnixConn)
	if !ok {
		p.close()
		return nil, nil, fmt.Errorf("the control socket is no Unix socket")
	}
	return p, &control{seqpacket, make([]byte, longestMessage+1)}, nil
}

// letGo ends Run when the caller has ended, or has closed its end of the control socket.
func (a *Arbiter) letGo() {
	z := a.zygote
	if z == nil || a.done {
		return
	}
	a.draining, a.zygote = true, nil
	for _, at := range a.places {
		if w := at.worker; w != nil {
			w.control.dismiss()
			a.workerDied(w)
		}
	}
	z.control.close()
	a.settle()
}

// Refused is why a caller has no front.
type Refused struct {
	Type  string `json:"type"`
	Code  string `json:"code"`
	Text  string `json:"text"`
	Hint  string `json:"hint"`
	Errno int    `json:"errno"` // 0 where it is not the kernel's
}

// RefuseCaller tells it.
func RefuseCaller(to *os.File, r Refused) error {
	r.Type = "CallerRefused"
	conn, err := net.FileConn(to)
	if err != nil {
		return err
	}
	defer conn.Close()
	seqpacket, ok := conn.(*net.UnixConn)
	if !ok {
		return fmt.Errorf("the control socket is no Unix socket")
	}
	return (&control{conn: seqpacket}).send(r)
}
