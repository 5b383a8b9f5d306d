package speyside

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/arbiter"
	"speyside.dev/speyside/internal/dispatch"
	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/front"
	"speyside.dev/speyside/internal/http1"
	"speyside.dev/speyside/internal/listen"
	"speyside.dev/speyside/internal/proxy"
	"speyside.dev/speyside/internal/settings"
)

func (r *Server) makeFront() (err error) {
	live, ready := "", ""
	if r.settings().Health {
		live, ready = r.settings().LivePath, r.settings().ReadyPath
	}
	bells := make([]int, len(r.ports))
	for i, port := range r.ports {
		bells[i] = int(port.Fd())
	}
	options, err := r.frontOptions(r.settings())
	if err != nil {
		return err
	}
	options.LivePath, options.ReadyPath, options.Connections = live, ready, r.connections()
	r.front, err = front.New(options, r.spool, bells)
	return err
}

// frontOptions are the settings in the front's words.
func (r *Server) frontOptions(s *settings.Settings) (front.Options, error) {
	app := s.Apps[0]
	proxies, err := frontProxies(s)
	return front.Options{
		Limits: http1.Limits{Line: s.LimitRequestLine, Fields: s.LimitRequestFields, FieldSize: s.LimitRequestFieldSize,
			Underscores: underscores(s.HeaderMap), Kept: s.ForwarderHeaders},
		Proxies:  proxies,
		InMemory: int(s.SpoolThreshold), Count: len(s.Stats) > 0, Routes: frontRoutes(app), RootPath: app.RootPath,
		Rest:      front.Route{StreamRequest: app.StreamRequest, LimitBody: app.LimitRequestBody, Timeout: app.Timeout},
		KeepAlive: s.KeepAlive, HeaderTimeout: s.HeaderTimeout, BodyTimeout: s.BodyTimeout, SendTimeout: s.SendTimeout,
		AbandonAfter: s.AbandonAfter, DrainIdle: r.drainIdle(),
		Line: dispatch.Bounds{Requests: app.QueueLimit, Time: app.QueueTimeout}, Server: "speyside", Identify: r.requestID, Log: r.log, AccessLog: r.logs.access,
	}, err
}

// configureFront has the settings of a new generation count for the front.
func (r *Server) configureFront(s *settings.Settings) {
	options, err := r.frontOptions(s)
	if err != nil { // what is checked before says so
		r.log.Error("front not configured", "error", err)
		return
	}
	r.front.Configure(options)
}

// frontProxies is what the settings say of proxies.
func frontProxies(s *settings.Settings) (front.Proxies, error) {
	allowed, err := proxy.ParseAllowed(s.ForwardedAllowIPs)
	if err != nil {
		return front.Proxies{}, fmt.Errorf("setting forwarded_allow_ips: %w", err)
	}
	speakers, err := proxy.ParseAllowed(s.ProxyAllowIPs)
	if err != nil {
		return front.Proxies{}, fmt.Errorf("setting proxy_allow_ips: %w", err)
	}
	options := proxy.Options{Allowed: allowed, Forwarders: s.ForwarderHeaders, Family: proxyFamilies[s.ProxyHeaders]}
	for _, text := range s.SecureSchemeHeaders {
		name, value, _ := strings.Cut(text, "=")
		options.Secure = append(options.Secure, proxy.Header{Name: name, Value: value})
	}
	return front.Proxies{Policy: proxy.New(options), Protocol: proxyProtocols[s.ProxyProtocol], Speakers: speakers}, nil
}

// What the values of proxy_headers and proxy_protocol stand for; others are off.
var (
	proxyFamilies  = map[string]proxy.Family{"x-forwarded": proxy.XForwarded, "forwarded": proxy.Forwarded}
	proxyProtocols = map[string]proxy.Protocol{"v1": proxy.V1, "v2": proxy.V2, "auto": proxy.V1 | proxy.V2}
)

// frontRoutes are the routes with what they do not say filled in from the settings.
func frontRoutes(a *settings.App) []front.Route {
	all := make([]front.Route, 0, len(a.Routes))
	for _, r := range a.Routes {
		route := front.Route{Prefix: r.Prefix, StreamRequest: a.StreamRequest, LimitBody: a.LimitRequestBody, Timeout: a.Timeout}
		if r.StreamRequest != nil {
			route.StreamRequest = *r.StreamRequest
		}
		if r.LimitRequestBody != nil {
			route.LimitBody = *r.LimitRequestBody
		}
		if r.Timeout != nil {
			route.Timeout = *r.Timeout
		}
		all = append(all, route)
	}
	return all
}

func underscores(headerMap string) http1.Underscores {
	switch headerMap {
	case "refuse":
		return http1.RefuseUnderscores
	case "dangerous":
		return http1.KeepUnderscores
	}
	return http1.DropUnderscores
}

// listen opens the listeners; connections wait in the backlog until the application is loaded.
func (r *Server) listen(ctx context.Context, addresses []settings.Address) error {
	for _, a := range addresses {
		if _, err := r.open(ctx, listen.Address{Host: a.Host, Port: a.Port, Path: a.Path, FD: a.FD}); err != nil {
			return err
		}
	}
	return nil
}

func (r *Server) open(ctx context.Context, address listen.Address) (listen.Address, error) {
	listener, err := r.listener(ctx, address)
	if err != nil {
		return address, notListening(address, err)
	}
	r.front.Add(listener)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addresses = append(r.addresses, listener.Address)
	r.upgrade.sockets = append(r.upgrade.sockets, bound{address, listener})
	return listener.Address, nil
}

// listener is the socket of an address: one that this process was given, or a new one.
func (r *Server) listener(ctx context.Context, address listen.Address) (*listen.Listener, error) {
	if given := r.activated[address.FD]; given != nil {
		delete(r.activated, address.FD)
		return given, nil
	}
	if inherited, err := r.inherited(address); inherited != nil || err != nil {
		return inherited, err
	}
	listener, err := listen.Open(ctx, address, r.listening())
	if err != nil {
		return nil, err
	}
	if err := r.identity.owned(address.Path); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// addressesWanted are those of --bind, and the sockets of a service manager. Where it has opened some, the default address is not wanted.
func (r *Server) addressesWanted() []settings.Address {
	s := r.settings()
	given := slices.Sorted(maps.Keys(r.activated))
	all := slices.Clone(s.Bind)
	if len(given) > 0 && !s.Given("bind") || r.script && !s.Given("bind") {
		all = nil
	}
	for _, number := range given {
		address := settings.Address{Network: "fd", FD: number}
		if !slices.Contains(all, address) {
			all = append(all, address)
		}
	}
	return all
}

func (r *Server) listening() listen.Options {
	return listen.Options{Backlog: r.settings().Backlog, Mode: 0o777 &^ fs.FileMode(r.settings().Umask)}
}

// notListening is the fault of an address that cannot be listened on.
func notListening(address listen.Address, err error) error {
	if errors.Is(err, listen.ErrInUse) {
		taken := fault.New(fault.AddressInUse, "%s is taken: another program listens there", url(address))
		taken.Err = unix.EADDRINUSE // what make_server raises in a script
		return taken
	}
	return fault.New(fault.AddressNotBindable, "cannot listen on %s: %w", url(address), err)
}

// listenForScript answers make_server. What --bind says goes before what the script asks for.
func (r *Server) listenForScript(host string, port int) (arbiter.Listener, error) {
	if listeners := r.listeners(); len(listeners) > 0 {
		return listeners[0], nil
	}
	bound, err := r.open(context.Background(), listen.Address{Host: host, Port: port})
	return asListener(bound), err
}

func (r *Server) listeners() []arbiter.Listener {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]arbiter.Listener, 0, len(r.addresses))
	for _, a := range r.addresses {
		all = append(all, asListener(a))
	}
	return all
}

// asListener is an address as the environ has it: SERVER_NAME and SERVER_PORT are never empty (PEP 3333).
func asListener(a listen.Address) arbiter.Listener {
	switch {
	case a.Path != "":
		return arbiter.Listener{Name: "localhost", Port: "80", Scheme: "http"}
	case a.Host == "":
		a.Host = "0.0.0.0"
	}
	return arbiter.Listener{Name: a.Host, Port: strconv.Itoa(a.Port), Scheme: "http"}
}

func url(a listen.Address) string {
	network := "tcp"
	switch {
	case a.FD != 0:
		network = "fd"
	case a.Path != "":
		network = "unix"
	}
	host := a.Host
	if host == "" {
		host = "0.0.0.0"
	}
	return settings.Address{Network: network, Host: host, Port: a.Port, Path: a.Path, FD: a.FD}.URL()
}

// ownDescriptors is what the front needs besides those of connections and workers: listeners, epolls, the log, health checks, the
// control socket, and some to spare.
const ownDescriptors = 128

// connections is max_connections, or as many of them as the limit on descriptors leaves room for. The Go runtime has raised
// the soft limit to the hard one when the program started; what it starts has the soft one that it found.
func (r *Server) connections() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		r.log.Warn("descriptor limit not known", "error", err)
		return r.settings().MaxConnections
	}
	most, need := fitting(limit.Cur, r.settings().MaxConnections, ownDescriptors+4*(r.workers()+r.settings().Loops)+len(r.settings().Bind))
	if most < r.settings().MaxConnections {
		r.log.Warn("descriptor limit too low", "limit", limit.Cur, "needed", need, "max_connections", r.settings().MaxConnections,
			"taken", most, "hint", "raise the hard limit (ulimit -Hn, LimitNOFILE= in systemd) or lower max_connections")
	}
	return most
}

// fitting is how many of the wanted connections a limit on descriptors allows beside the server's own, at least half of
// it; and what all of them would need.
func fitting(limit uint64, wanted, own int) (most, need int) {
	need = wanted + own
	if limit >= uint64(need) {
		return wanted, need
	}
	return min(wanted, max(1, int(limit)/2, int(limit)-own)), need
}
