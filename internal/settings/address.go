package settings

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Address is one address to listen on.
type Address struct {
	Network string // "tcp", "unix" or "fd"
	Host    string // tcp: an IP address or a host name, in lower case, without brackets
	Port    int    // tcp: 0 lets the kernel choose
	Path    string // unix: the socket's path
	FD      int    // fd: the number of a descriptor
}

// defaultPort is the port of an address that has none, as in gunicorn.
const defaultPort = 8000

// firstFD is the first descriptor that is not a standard stream.
const firstFD = 3

// maxUnixPath is the longest path of a Unix socket on Linux (sun_path less its final NUL).
const maxUnixPath = 107

// String returns the address as ParseBind reads it.
func (a Address) String() string {
	switch a.Network {
	case "unix":
		return "unix:" + a.Path
	case "fd":
		return "fd://" + strconv.Itoa(a.FD)
	}
	return net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
}

// URL returns an address that a browser opens: of every address of the machine, localhost. A Unix socket has none;
// for it URL returns String, and for a descriptor.
func (a Address) URL() string {
	if a.Network != "tcp" {
		return a.String()
	}
	host := a.Host
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	if a.Port == 80 {
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		return "http://" + host
	}
	return "http://" + strings.ReplaceAll(net.JoinHostPort(host, strconv.Itoa(a.Port)), "%", "%25")
}

// ParseBind reads an address in gunicorn's forms: HOST, HOST:PORT, :PORT, [IPv6], [IPv6]:PORT, unix:PATH, fd://NUMBER; tcp:// and
// unix:// in front are allowed.
func ParseBind(text string) (Address, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		return parseUnix(strings.TrimPrefix(path, "//"))
	}
	if number, ok := strings.CutPrefix(text, "fd://"); ok {
		fd, err := strconv.Atoi(number)
		if err != nil || fd < firstFD || fd > 1<<20 {
			return Address{}, fmt.Errorf("%q is no number of an inherited descriptor: it must be an integer from %d", number, firstFD)
		}
		return Address{Network: "fd", FD: fd}, nil
	}
	text = strings.TrimPrefix(text, "tcp://")
	host, port, err := splitHostPort(text)
	if err != nil {
		return Address{}, err
	}
	number := defaultPort
	if port != "" {
		if number, err = strconv.Atoi(port); err != nil || number < 0 || number > 65535 || port[0] == '+' {
			return Address{}, fmt.Errorf("%q is no port: it must be an integer from 0 to 65535", port)
		}
	}
	if host == "" {
		host = "0.0.0.0"
	}
	return Address{Network: "tcp", Host: strings.ToLower(host), Port: number}, nil
}

func parseUnix(path string) (Address, error) {
	switch {
	case path == "":
		return Address{}, fmt.Errorf("the path of the Unix socket is missing: write unix:PATH")
	case strings.ContainsRune(path, 0):
		return Address{}, fmt.Errorf("the path of a Unix socket cannot have a NUL character")
	}
	return Address{Network: "unix", Path: path}, nil
}

// splitHostPort also tells the mistakes apart that people make.
func splitHostPort(text string) (host, port string, err error) {
	if inside, ok := strings.CutPrefix(text, "["); ok {
		host, rest, closed := strings.Cut(inside, "]")
		ip, err := netip.ParseAddr(host)
		if !closed || err != nil || !ip.Is6() || rest != "" && rest[0] != ':' {
			return "", "", fmt.Errorf("it must be an IPv6 address in brackets, such as [::1]:8000")
		}
		return host, strings.TrimPrefix(rest, ":"), nil
	}
	host, port, hasPort := strings.Cut(text, ":")
	switch {
	case text == "":
		return "", "", fmt.Errorf("it is empty: write HOST:PORT")
	case strings.Contains(text, "/"):
		return "", "", fmt.Errorf("it has a scheme or a path: write HOST:PORT or unix:PATH")
	case strings.Contains(port, ":"):
		return "", "", fmt.Errorf("an IPv6 address is written in brackets, such as [::1]:8000")
	case !hasPort && strings.Trim(host, "0123456789") == "":
		return "", "", fmt.Errorf("it has no host: write 127.0.0.1:%s, or :%s for every address of the machine", host, host)
	case hasPort && port == "":
		return "", "", fmt.Errorf("the port is missing after the colon")
	}
	if bad := strings.Trim(strings.ToLower(host), "abcdefghijklmnopqrstuvwxyz0123456789.-_"); bad != "" {
		return "", "", fmt.Errorf("%q is no host name: it must be an address such as 127.0.0.1:8000, [::1]:8000 or unix:PATH", host)
	}
	return host, port, nil
}
