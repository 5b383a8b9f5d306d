package settings

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
)

// facilities are what syslog sorts messages by, with their numbers of RFC 3164 4.1.1.
var facilities = map[string]int{"kern": 0, "user": 1, "mail": 2, "daemon": 3, "auth": 4, "security": 4, "syslog": 5, "lpr": 6, "news": 7, "uucp": 8, "cron": 9,
	"authpriv": 10, "ftp": 11, "local0": 16, "local1": 17, "local2": 18, "local3": 19, "local4": 20, "local5": 21, "local6": 22, "local7": 23}

var aFacility = Check{Says: "one of " + strings.Join(slices.Sorted(maps.Keys(facilities)), ", "), Words: slices.Sorted(maps.Keys(facilities)), OK: func(value any) bool {
	_, ok := facilities[strings.ToLower(value.(string))]
	return ok
}}

var aSyslogAddress = Check{Says: "udp://HOST:PORT, tcp://HOST:PORT, unix://PATH, unix://PATH#dgram or unix://PATH#stream", OK: func(any) bool { return true }}

// Syslog is where messages for syslog go.
type Syslog struct {
	Networks []string // in the words of package net; the first one that there is counts
	Address  string
	Facility int
	Tag      string // what messages begin with, before .error or .access
}

// SyslogTarget is where messages go when Syslog is on.
func (s *Settings) SyslogTarget() Syslog {
	to, _ := syslogAddress(s.SyslogAddr) // it was checked when it was read
	if !slices.Contains([]string{"udp", "tcp"}, to.Networks[0]) {
		to.Address = absolute(s.Apps[0].Chdir, to.Address)
	}
	to.Facility = facilities[strings.ToLower(s.SyslogFacility)]
	if to.Tag = s.SyslogPrefix; strings.HasSuffix(to.Tag, ".") {
		to.Tag += strings.ReplaceAll(s.ProcName, ":", ".")
	}
	return to
}

// checkSyslogAddress says what is wrong with an address.
func checkSyslogAddress(text string) error {
	_, err := syslogAddress(text)
	return err
}

func syslogAddress(text string) (Syslog, error) {
	scheme, rest, _ := strings.Cut(text, "://")
	switch strings.ToLower(scheme) {
	case "unix":
		path, kind, _ := strings.Cut(rest, "#")
		networks, known := map[string][]string{"": {"unixgram", "unix"}, "dgram": {"unixgram"}, "stream": {"unix"}}[kind]
		switch {
		case !known:
			return Syslog{}, fmt.Errorf("a socket is dgram or stream, and not %q", kind)
		case path == "":
			return Syslog{}, errors.New("the path of the socket is missing")
		case len(path) > maxUnixPath:
			return Syslog{}, errors.New(tooLong(path))
		}
		return Syslog{Networks: networks, Address: path}, nil
	case "udp", "tcp":
		host, port := rest, "514"
		if h, p, err := net.SplitHostPort(rest); err == nil {
			host, port = h, p
		}
		host = strings.Trim(host, "[]")
		if host == "" {
			host = "localhost"
		}
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return Syslog{}, fmt.Errorf("%q is no port: it must be an integer from 1 to 65535", port)
		}
		return Syslog{Networks: []string{strings.ToLower(scheme)}, Address: net.JoinHostPort(host, port)}, nil
	}
	return Syslog{}, errors.New("it begins with none of udp://, tcp:// and unix://")
}
