//go:build linux

package observe

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	// syslogQueue is how many messages may wait to be sent.
	syslogQueue = 1024
	// syslogLongest is how many bytes of a record or a line are sent: a datagram can be no longer in many places.
	syslogLongest = 8 << 10
	// syslogPatience is how long connecting, and sending one message, may take.
	syslogPatience = time.Second
	// syslogMuted is for how long nothing is sent after that has failed.
	syslogMuted = time.Second
)

// The severities of RFC 3164.
const (
	severityError   = 3
	severityWarning = 4
	severityInfo    = 6
	severityDebug   = 7
)

// Syslog sends messages to a syslog server, each as <PRI>TAG: [PID] TEXT and a NUL. A goroutine of its own sends them, so nobody waits:
// what comes faster than it can be sent, or while nobody takes it, is lost and counted, and the log says so.
type Syslog struct {
	networks []string
	address  string
	facility int
	tag, pid string
	log      *slog.Logger // which must not end up here

	queue chan []byte // nil: the end
	ended chan struct{}
	lost  atomic.Uint64

	conn  net.Conn // of the goroutine, as are those below
	muted time.Time
	told  time.Time // when the log was told of what is lost
	known uint64    // how much that was
	why   error     // why the last one was not sent
}

// OpenSyslog returns one that sends to the first of the networks, in the words of package net, on which the address can be reached. The
// address is not tried before there is a message.
func OpenSyslog(networks []string, address string, facility int, tag string, log *slog.Logger) *Syslog {
	s := &Syslog{networks: networks, address: address, facility: facility, tag: tag, pid: strconv.Itoa(os.Getpid()), log: log,
		queue: make(chan []byte, syslogQueue), ended: make(chan struct{})}
	go s.run()
	return s
}

// Line sends a line of the access log.
func (s *Syslog) Line(line []byte) { s.send(severityInfo, ".access", line) }

// Handler returns a handler that sends the records of a log.
func (s *Syslog) Handler(level slog.Leveler) slog.Handler {
	return NewHandler((*syslogRecords)(s), level)
}

// syslogRecords takes lines of a handler: time and level become what syslog has for them.
type syslogRecords Syslog

func (r *syslogRecords) Write(line []byte) (int, error) {
	const when, level = len("2006-01-02 15:04:05 -0700 "), len("INFO  ")
	severity := severityInfo
	switch line[when] {
	case 'D':
		severity = severityDebug
	case 'W':
		severity = severityWarning
	case 'E':
		severity = severityError
	}
	(*Syslog)(r).send(severity, ".error", bytes.TrimSuffix(line[when+level:], newline))
	return len(line), nil
}

// send hands a message over; it does not wait.
func (s *Syslog) send(severity int, kind string, text []byte) {
	text = text[:min(len(text), syslogLongest)]
	message := make([]byte, 0, len(text)+len(s.tag)+len(s.pid)+len("<191>.access: [] \x00"))
	message = append(message, '<')
	message = strconv.AppendInt(message, int64(s.facility<<3|severity), 10)
	message = append(append(append(message, '>'), s.tag...), kind...)
	message = append(append(append(message, ": ["...), s.pid...), "] "...)
	message = append(append(message, text...), 0)
	select {
	case s.queue <- message:
	default:
		s.lost.Add(1)
	}
}

// Close sends what was handed over, for as long as patience. What comes after that is not sent.
func (s *Syslog) Close(patience time.Duration) {
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case s.queue <- nil:
	case <-late.C:
		return
	}
	select {
	case <-s.ended:
	case <-late.C:
	}
}

func (s *Syslog) run() {
	defer close(s.ended)
	for message := range s.queue {
		if message == nil {
			break
		}
		if err := s.deliver(message); err != nil {
			s.lost.Add(1)
			s.why = err
		}
		s.tell(false)
	}
	s.tell(true)
	if s.conn != nil {
		_ = s.conn.Close()
	}
}

// deliver sends one message; the server at the other end may have been started anew since the last one.
func (s *Syslog) deliver(message []byte) error {
	if time.Now().Before(s.muted) {
		return s.why
	}
	var err error
	for range 2 {
		if s.conn == nil {
			if s.conn, err = s.dial(); err != nil {
				break
			}
		}
		_ = s.conn.SetWriteDeadline(time.Now().Add(syslogPatience))
		if _, err = s.conn.Write(message); err == nil {
			s.why = nil
			return nil
		}
		_ = s.conn.Close()
		s.conn = nil
	}
	s.muted = time.Now().Add(syslogMuted)
	return err
}

func (s *Syslog) dial() (net.Conn, error) {
	var errs []error
	for _, network := range s.networks {
		conn, err := net.DialTimeout(network, s.address, syslogPatience)
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs[:1]...) // the others say the same
}

// tell has the log say that messages are lost, at once and then from time to time.
func (s *Syslog) tell(last bool) {
	lost := s.lost.Load()
	if lost == s.known || !last && time.Since(s.told) < tellEvery {
		return
	}
	why := "they come faster than they are sent"
	if s.why != nil {
		why = s.why.Error()
	}
	s.log.Warn("syslog messages lost", "messages", lost-s.known, "why", why)
	s.known, s.told = lost, time.Now()
}
