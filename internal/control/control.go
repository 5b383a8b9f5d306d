//go:build linux

package control

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/listen"
)

const (
	// mostClients bounds the clients of a control socket at once.
	mostClients = 16
	// mostWaiting bounds those of them that wait for something to happen.
	mostWaiting = 8
	// statusPatience is how long gathering a status may take.
	statusPatience = 2 * time.Second
)

// Abstract is the path of a control socket that is no file: its name is the server's own.
const Abstract = "abstract"

// Options say what to answer.
type Options struct {
	Status func(ctx context.Context) Status
	// Reload reloads and returns what became of it, or an error at the end of ctx.
	Reload func(ctx context.Context) (Reload, error)
	// Scale has that many workers from now on, and returns how many there were; an error says why not.
	Scale func(workers int) (before int, err error)
	// Stop has the server drain, or stop at once. It does not wait.
	Stop func(now bool)
	Log  *slog.Logger
}

// Socket is the control socket of a running server: HTTP on a Unix socket, a request on each connection.
type Socket struct {
	Path string // with @ in front where it is abstract

	options Options
	server  *server
	waiting chan struct{}

	mu sync.Mutex // one status is gathered at a time
}

// Open listens at a path, or at an abstract address. Orders are obeyed from then on.
func Open(path string, options Options) (*Socket, error) {
	c := &Socket{Path: path, options: options, waiting: make(chan struct{}, mostWaiting)}
	listener, remove, err := c.listen()
	if err != nil {
		return nil, err
	}
	c.server = newServer(listener, remove, mostClients, options.Log)
	c.server.admit, c.server.answer = admit, c.answer
	go c.server.run()
	return c, nil
}

func (c *Socket) listen() (net.Listener, func(), error) {
	if c.Path != Abstract {
		listener, l, err := open(context.Background(), listen.Address{Path: c.Path}, listen.Options{Backlog: mostClients, Mode: 0o600})
		return listener, func() { _ = l.Close() }, err
	}
	var unique [4]byte // containers may share abstract addresses and have the same pids
	_, _ = rand.Read(unique[:])
	c.Path = abstractPrefix + strconv.Itoa(os.Getpid()) + "." + hex.EncodeToString(unique[:])
	listener, err := net.Listen("unix", c.Path)
	return listener, func() {}, err
}

// Renew has clients see who this process is now, since it may have changed its user: the kernel tells them who has listened last.
func (c *Socket) Renew() error {
	raw, err := c.server.listener.(*net.UnixListener).SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.Listen(int(fd), mostClients) })
	return errors.Join(err, failed)
}

// Close tells the clients that wait for the end that it has come, and returns when they have been told.
func (c *Socket) Close() { c.server.close() }

// admit lets in who may send the server signals: its own user and root, on this side of the container's wall.
func admit(connection net.Conn) error {
	peer, err := peerOf(connection)
	switch {
	case err != nil: // it is closed already
		return err
	case peer.pid == 0:
		return &stranger{fmt.Sprintf("a process of another container, uid %d", peer.uid)}
	case peer.uid != 0 && peer.uid != os.Geteuid():
		return &stranger{fmt.Sprintf("pid %d has uid %d", peer.pid, peer.uid)}
	}
	return nil
}

const usage = `GET /status      what the server says of itself, as JSON
POST /reload     loads the application again; answers when it is known what became of it
POST /scale?N    has N workers from now on; answers with how many there were
POST /stop       drains; answers when the server has ended
POST /stop?now   stops at once
`

func (c *Socket) answer(ctx context.Context, q request) reply {
	allow := map[string]string{"/status": "GET, HEAD", "/reload": "POST", "/scale": "POST", "/stop": "POST"}[q.path]
	switch {
	case allow == "":
		return reply{status: 404, body: []byte(usage)}
	case q.method == "HEAD" && q.path == "/status":
	case q.method != "GET" && q.path == "/status", q.method != "POST" && q.path != "/status":
		return reply{status: 405, allow: allow, body: []byte(usage)}
	}
	switch q.path {
	case "/status":
		return c.status(ctx)
	case "/scale":
		return c.scale(q.query)
	}
	select {
	case c.waiting <- struct{}{}:
		defer func() { <-c.waiting }()
	default:
		return reply{status: 503, body: fmt.Appendf(nil, "%d clients wait for reloads and stops already.\n", mostWaiting)}
	}
	if q.path == "/reload" {
		return c.reload(ctx)
	}
	return c.stop(ctx, q.query == "now")
}

func (c *Socket) status(ctx context.Context) reply {
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, statusPatience)
	defer cancel()
	return asJSON(200, c.options.Status(ctx))
}

func (c *Socket) reload(ctx context.Context) reply {
	outcome, err := c.options.Reload(ctx)
	switch {
	case err != nil:
		return reply{status: 503, body: []byte(err.Error() + "\n")}
	case outcome.Error != "":
		return asJSON(500, outcome)
	}
	return asJSON(200, outcome)
}

func (c *Socket) scale(query string) reply {
	workers, err := strconv.Atoi(query)
	if err != nil {
		return reply{status: 400, body: []byte("the number of workers is missing: POST /scale?4\n")}
	}
	scaled := Scaled{Workers: workers}
	if scaled.Before, err = c.options.Scale(workers); err == nil {
		return asJSON(200, scaled)
	}
	scaled.Error, scaled.Hint, scaled.Workers = err.Error(), fault.Hint(err), scaled.Before
	return asJSON(409, scaled)
}

// stop answers when everything else has ended: Close ends ctx.
func (c *Socket) stop(ctx context.Context, now bool) reply {
	c.options.Stop(now)
	<-ctx.Done()
	return asJSON(200, struct {
		Stopped bool `json:"stopped"`
	}{true})
}

func asJSON(status int, value any) reply {
	body, err := json.Marshal(value)
	if err != nil {
		return reply{status: 500, body: []byte(err.Error() + "\n")}
	}
	return reply{status: status, kind: "application/json", body: append(body, '\n')}
}
