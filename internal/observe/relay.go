//go:build linux

package observe

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// longestRecord is the longest message with a record, and the longest line of output that is kept whole.
const longestRecord = 64 << 10

// Relay has workers write to the log: their own records, and what the application prints. They are given two descriptors: a socket that
// takes one record in a message, and a pipe for lines.
type Relay struct {
	log    *slog.Logger
	raw    io.Writer // for lines as they are; nil: a record for each
	theirs []*os.File
	ours   []*os.File
	ended  chan struct{}

	closing atomic.Bool
}

// NewRelay returns one that hands records to log, and lines to raw, or as records to log when raw is nil.
func NewRelay(log *slog.Logger, raw io.Writer) (*Relay, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("making the socket for records: %w", err)
	}
	if err := unix.SetNonblock(pair[0], true); err != nil {
		return nil, fmt.Errorf("making the socket for records: %w", err)
	}
	records := []*os.File{os.NewFile(uintptr(pair[0]), "records"), os.NewFile(uintptr(pair[1]), "records")}
	var pipe [2]int // not os.Pipe, whose other end would not block, which programs of the application do not expect
	if err := errors.Join(unix.Pipe2(pipe[:], unix.O_CLOEXEC), unix.SetNonblock(pipe[0], true)); err != nil {
		return nil, errors.Join(fmt.Errorf("making the pipe for output: %w", err), records[0].Close(), records[1].Close())
	}
	lines, output := os.NewFile(uintptr(pipe[0]), "output"), os.NewFile(uintptr(pipe[1]), "output")
	r := &Relay{log: log, raw: raw, ours: []*os.File{records[0], lines}, theirs: []*os.File{records[1], output}, ended: make(chan struct{}, 2)}
	go r.readRecords(records[0])
	go r.readLines(lines)
	return r, nil
}

// Files are what workers are given: the socket for records, and the pipe for lines.
func (r *Relay) Files() []*os.File { return r.theirs }

// Close hands on what was written, for as long as patience: processes that hold the descriptors may be left.
func (r *Relay) Close(patience time.Duration) error {
	r.closing.Store(true)
	var errs []error
	for _, file := range r.theirs {
		errs = append(errs, file.Close())
	}
	for _, file := range r.ours {
		errs = append(errs, file.SetReadDeadline(time.Now().Add(patience)))
	}
	for range r.ours {
		<-r.ended
	}
	for _, file := range r.ours {
		errs = append(errs, file.Close())
	}
	return errors.Join(errs...)
}

// record is a message. Nothing in it is believed: it is text for the log.
type record struct {
	Level  string              `json:"level"`
	Event  string              `json:"event"`
	Fields [][]json.RawMessage `json:"fields"` // name and value
	After  string              `json:"after"`
}

// recordLevels are the levels as records name them; others are errors.
var recordLevels = map[string]slog.Level{"DEBUG": slog.LevelDebug, "INFO": slog.LevelInfo, "WARN": slog.LevelWarn}

func (r *Relay) readRecords(from *os.File) {
	defer func() { r.ended <- struct{}{} }()
	message := make([]byte, longestRecord)
	for {
		n, err := from.Read(message)
		switch {
		case errors.Is(err, io.EOF) && !r.closing.Load(): // a message without a byte: as long as we have the other end it is no end
			continue
		case err != nil:
			return
		}
		var one record
		if json.Unmarshal(message[:n], &one) == nil {
			r.write(one)
		}
	}
}

func (r *Relay) write(one record) {
	level, known := recordLevels[one.Level]
	if !known {
		level = slog.LevelError
	}
	attrs := make([]slog.Attr, 0, len(one.Fields)+1)
	for _, field := range one.Fields {
		if len(field) == 2 {
			attrs = append(attrs, slog.Attr{Key: textOf(field[0]), Value: valueOf(field[1])})
		}
	}
	if one.After != "" {
		attrs = append(attrs, Text(one.After))
	}
	r.log.LogAttrs(context.Background(), level, one.Event, attrs...)
}

func textOf(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return string(raw)
	}
	return text
}

func valueOf(raw json.RawMessage) slog.Value {
	if number, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return slog.Int64Value(number)
	}
	return slog.StringValue(textOf(raw))
}

func (r *Relay) readLines(from *os.File) {
	defer func() { r.ended <- struct{}{} }()
	lines := bufio.NewReaderSize(from, longestRecord)
	for {
		line, err := lines.ReadSlice('\n')
		if len(line) > 0 {
			r.printed(line)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// printed hands on a line, or part of a very long one.
func (r *Relay) printed(line []byte) {
	whole := line[len(line)-1] == '\n'
	switch {
	case r.raw == nil && whole:
		r.log.Info("application printed", Text(string(line)))
	case r.raw == nil:
		r.log.Info("application printed", Text(string(line)+"…"))
	case whole:
		_, _ = r.raw.Write(line)
	default:
		_, _ = r.raw.Write(append(line[:len(line):len(line)], '\n'))
	}
}
