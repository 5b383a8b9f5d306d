//go:build linux

package control

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"speyside.dev/speyside/internal/listen"
)

const (
	// mostReaders bounds the clients that are being told of the state at once on one address.
	mostReaders = 32
	// freshFor is how long what was gathered is told to others: many clients make no more work than one that comes this often.
	freshFor = 50 * time.Millisecond
)

// StatsOptions say what is told, and in which form.
type StatsOptions struct {
	Gather         func(ctx context.Context) Stats
	HTTP, Minified bool
	NoCores        bool
	Log            *slog.Logger
}

// StatsDocument is what is told to whoever connects, on all addresses: gathered when somebody asks, and once for all who do at
// the same time.
type StatsDocument struct {
	options StatsOptions

	mu   sync.Mutex
	text []byte
	at   time.Time
}

// NewStatsDocument returns one; nothing is gathered yet.
func NewStatsDocument(options StatsOptions) *StatsDocument { return &StatsDocument{options: options} }

// StatsServer tells the state on one address, in the form of uWSGI's stats server: a document for each connection, which then ends.
type StatsServer struct {
	listener *listen.Listener
	server   *server
}

// ServeStats does so on a listener, from then on.
func ServeStats(l *listen.Listener, document *StatsDocument) (*StatsServer, error) {
	listener, err := accepting(l)
	if err != nil {
		return nil, err
	}
	s := newServer(listener, func() { _ = l.Close() }, mostReaders, document.options.Log)
	s.say, s.hears = document.tell, document.options.HTTP
	go s.run()
	return &StatsServer{listener: l, server: s}, nil
}

// Disown leaves the path of a Unix socket to somebody else, who answers from now on.
func (s *StatsServer) Disown() { s.listener.Disown() }

// Close ends it.
func (s *StatsServer) Close() { s.server.close() }

// tell returns the document as it goes over the wire. Who comes while another's is gathered waits for that one.
func (d *StatsDocument) tell(ctx context.Context) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.text != nil && time.Since(d.at) < freshFor {
		return d.text
	}
	ctx, cancel := context.WithTimeout(ctx, statusPatience)
	defer cancel()
	text, err := d.options.form(d.options.Gather(ctx))
	if err != nil { // JSON has everything that Stats has
		d.options.Log.Error("stats not told", "error", err)
	}
	d.text, d.at = text, time.Now()
	return d.text
}

func (o *StatsOptions) form(s Stats) ([]byte, error) {
	if o.NoCores {
		for i := range s.Workers {
			s.Workers[i].Cores = nil
		}
	}
	var text bytes.Buffer
	if o.HTTP {
		text.WriteString("HTTP/1.0 200 OK\r\nServer: speyside\r\nConnection: close\r\nCache-Control: no-store\r\nContent-Type: application/json\r\n\r\n")
	}
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if !o.Minified {
		encoder.SetIndent("", "\t")
	}
	err := encoder.Encode(s)
	return text.Bytes(), err
}
