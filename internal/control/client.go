package control

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// abstractPrefix begins the names of control sockets that are no files; pid and a random number follow.
	abstractPrefix = "@speyside."
	// clientPatience is how long a server may take to tell of itself. It gives its loops two seconds.
	clientPatience = 5 * time.Second
	// mostAnswer bounds an answer in bytes.
	mostAnswer = 64 << 20
)

// Server is a running server as a client has found it.
type Server struct {
	Path   string
	Pid    int
	Status Status
	Raw    []byte // the status as the server gave it
}

// Find returns the servers of this user, or all of them for root, that have a control socket without a file, by pid; only one when
// pid is not 0. One that does not tell of itself in time is returned without a status, and why is told to silent.
func Find(pid int, silent func(pid int, err error)) []*Server {
	table, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		return nil
	}
	var found []*Server
	for _, path := range listening(table, pid) {
		s, err := At(path)
		if s == nil {
			continue // gone, or somebody else's
		}
		if err != nil {
			silent(s.Pid, err)
		}
		found = append(found, s)
	}
	slices.SortFunc(found, func(a, b *Server) int { return cmp.Compare(a.Pid, b.Pid) })
	return found
}

// listening returns our names among the listening sockets of /proc/net/unix; those of one pid, if it is not 0.
func listening(table []byte, pid int) []string {
	const acceptsConnections = "00010000"
	prefix := abstractPrefix
	if pid != 0 {
		prefix += strconv.Itoa(pid) + "."
	}
	var paths []string
	lines := bufio.NewScanner(bytes.NewReader(table))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 8 && fields[3] == acceptsConnections && strings.HasPrefix(fields[7], prefix) {
			paths = append(paths, fields[7])
		}
	}
	return paths
}

// At asks the server whose control socket is at path. With an error, the server is nil when there is none that we may ask, and
// has no status when it does not tell of itself.
func At(path string) (*Server, error) {
	connection, err := dial(path)
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	peer, err := peerOf(connection)
	if err != nil {
		return nil, err
	}
	if me := os.Geteuid(); me != 0 && peer.uid != me {
		return nil, fmt.Errorf("it is the server of uid %d: only that user and root may ask it", peer.uid)
	}
	s := &Server{Path: path, Pid: peer.pid}
	_ = connection.SetDeadline(time.Now().Add(clientPatience))
	status, body, err := exchange(connection, "GET", "/status")
	if err != nil {
		return s, fmt.Errorf("asking it for its status: %w", err)
	}
	if status != 200 {
		return s, errors.New(strings.TrimSpace(string(body)))
	}
	s.Raw = body
	err = json.Unmarshal(body, &s.Status)
	var other *json.UnmarshalTypeError
	if errors.As(err, &other) { // a server of another version: what it says in another way is left out
		err = nil
	}
	return s, err
}

func dial(path string) (net.Conn, error) { return net.DialTimeout("unix", path, clientPatience) }

// Reload has the server reload, and returns what became of it, however long that takes.
func (s *Server) Reload() (Reload, error) {
	var outcome Reload
	status, body, err := s.order("/reload")
	if err != nil {
		return outcome, err
	}
	if status != 200 && status != 500 {
		return outcome, errors.New(strings.TrimSpace(string(body)))
	}
	return outcome, json.Unmarshal(body, &outcome)
}

// Scale has the server have that many workers, and returns what came of it.
func (s *Server) Scale(workers int) (Scaled, error) {
	var scaled Scaled
	status, body, err := s.order("/scale?" + strconv.Itoa(workers))
	if err != nil {
		return scaled, err
	}
	if status != 200 && status != 409 {
		return scaled, errors.New(strings.TrimSpace(string(body)))
	}
	return scaled, json.Unmarshal(body, &scaled)
}

// Stop has the server drain, or stop at once, and returns when it has ended.
func (s *Server) Stop(now bool) error {
	path := "/stop"
	if now {
		path += "?now"
	}
	status, body, err := s.order(path)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF): // it ended before it could say so
		return nil
	case err != nil:
		return err
	case status != 200:
		return errors.New(strings.TrimSpace(string(body)))
	}
	return nil
}

func (s *Server) order(path string) (int, []byte, error) {
	connection, err := dial(s.Path)
	if err != nil {
		return 0, nil, err
	}
	defer connection.Close()
	return exchange(connection, "POST", path)
}

// exchange sends a request without a body and reads the reply, which ends with the connection.
func exchange(c net.Conn, method, path string) (status int, body []byte, err error) {
	if _, err := fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: speyside\r\n\r\n", method, path); err != nil {
		return 0, nil, err
	}
	answer, err := io.ReadAll(io.LimitReader(c, mostAnswer))
	if err != nil {
		return 0, nil, err
	}
	head, body, whole := bytes.Cut(answer, []byte("\r\n\r\n"))
	first, _, _ := strings.Cut(string(head), "\r\n")
	words := strings.Fields(first)
	if !whole || len(words) < 2 {
		return 0, nil, io.ErrUnexpectedEOF
	}
	status, err = strconv.Atoi(words[1])
	return status, body, err
}
