//go:build blackbox

package tests

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

const (
	// patience is how long a server may take for anything; a machine that runs other tests too is slow. It is shorter than the
	// default time limits of the server, so that a script sees the difference.
	patience = 20 * time.Second
	// glance is the time between two looks at a thing that is waited for.
	glance = 10 * time.Millisecond
)

// Keys of the values that a script keeps.
type (
	serversKey     struct{}
	environmentKey struct{}
)

// servers are the processes that a script has started, by the name it gave them.
type servers map[string]*server

// server is one process, in a process group of its own as if it were the foreground job of a terminal.
type server struct {
	name           string
	command        *exec.Cmd
	stdout, stderr string // the files with what it has written
	ended          chan struct{}
	urls           []string
}

var signals = map[string]syscall.Signal{
	"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "QUIT": syscall.SIGQUIT, "KILL": syscall.SIGKILL, "STOP": syscall.SIGSTOP, "CONT": syscall.SIGCONT,
	"TTIN": syscall.SIGTTIN, "TTOU": syscall.SIGTTOU,
}

// bannerURL is a line of the banner with nothing but an address.
var bannerURL = regexp.MustCompile(`(?m)^    ((?:http://|unix:)\S+)$`)

// bannerEnd is the last line of the banner.
const bannerEnd = "  stop  "

// cmdStart starts a server and does not wait for it: start NAME [VARIABLE=VALUE…] PROGRAM ARGUMENT…
func cmdStart(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) >= 2, "start NAME [VARIABLE=VALUE…] PROGRAM ARGUMENT…")
	startServer(ts, args)
}

// cmdServe starts a server and waits for its banner: serve NAME [VARIABLE=VALUE…] PROGRAM ARGUMENT… It sets NAME_PID, NAME_URL, NAME_PORT, and
// NAME_URL2 and so on for further addresses.
func cmdServe(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) >= 2, "serve NAME [VARIABLE=VALUE…] PROGRAM ARGUMENT…")
	s := startServer(ts, args)
	said := s.waitFor(ts, "its banner", func(said string) bool { return strings.Contains(said, bannerEnd) })
	for i, match := range bannerURL.FindAllStringSubmatch(said, -1) {
		s.urls = append(s.urls, match[1])
		number := ""
		if i > 0 {
			number = strconv.Itoa(i + 1)
		}
		ts.Setenv(s.name+"_URL"+number, match[1])
		ts.Setenv(s.name+"_PORT"+number, match[1][strings.LastIndexByte(match[1], ':')+1:])
	}
	if len(s.urls) == 0 {
		ts.Fatalf("the banner of %s has no address:\n%s", s.name, said)
	}
}

func startServer(ts *testscript.TestScript, args []string) *server {
	name := args[0]
	started := ts.Value(serversKey{}).(servers)
	if started[name] != nil {
		ts.Fatalf("there is a server named %s already", name)
	}
	command := prepare(ts, args[1:])
	s := &server{name: name, command: command, ended: make(chan struct{})}
	s.stdout, s.stderr = ts.MkAbs("."+name+".stdout"), ts.MkAbs("."+name+".stderr")
	stdout, err := os.Create(s.stdout)
	ts.Check(err)
	defer stdout.Close()
	stderr, err := os.Create(s.stderr)
	ts.Check(err)
	defer stderr.Close()
	command.Stdout, command.Stderr = stdout, stderr
	ts.Check(command.Start())
	started[name] = s
	ts.Setenv(name+"_PID", strconv.Itoa(command.Process.Pid))
	go func() {
		_ = command.Wait()
		close(s.ended)
	}()
	ts.Defer(func() {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		<-s.ended
		if said := s.said(); ts.Name() != "" && said != "" {
			ts.Logf("[%s said]\n%s", name, said)
		}
	})
	return s
}

// prepare makes a command that runs in the directory of the script and in a process group of its own. As in a shell, words
// NAME=VALUE before the program are added to its environment.
func prepare(ts *testscript.TestScript, words []string) *exec.Cmd {
	environment := slices.Clone(ts.Value(environmentKey{}).([]string))
	for len(words) > 1 && assignment.MatchString(words[0]) {
		environment, words = append(environment, words[0]), words[1:]
	}
	path := words[0]
	if !strings.Contains(path, "/") {
		path = lookUp(path, environment)
	}
	command := exec.Command(path, words[1:]...)
	command.Args[0] = words[0]
	command.Dir = ts.MkAbs(".")
	command.Env = environment
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.WaitDelay = patience
	return command
}

var assignment = regexp.MustCompile(`^[A-Z_]+=`)

// lookUp finds a program on the last PATH of an environment.
func lookUp(program string, environment []string) string {
	for _, variable := range slices.Backward(environment) {
		path, ok := strings.CutPrefix(variable, "PATH=")
		if !ok {
			continue
		}
		for _, dir := range filepath.SplitList(path) {
			if found := filepath.Join(dir, program); executable(found) {
				return found
			}
		}
		break
	}
	return program
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// said returns everything that the server has written.
func (s *server) said() string {
	stdout, _ := os.ReadFile(s.stdout)
	stderr, _ := os.ReadFile(s.stderr)
	return string(stdout) + string(stderr)
}

// waitFor waits until what the server has written is enough. A server that ends before fails the script.
func (s *server) waitFor(ts *testscript.TestScript, what string, enough func(string) bool) string {
	for deadline := time.Now().Add(patience); ; time.Sleep(glance) {
		over := false
		select {
		case <-s.ended:
			over = true
		default:
		}
		said := s.said()
		switch {
		case enough(said):
			return said
		case over:
			ts.Fatalf("%s ended (%s) before %s came; it said:\n%s", s.name, s.command.ProcessState, what, said)
		case time.Now().After(deadline):
			ts.Fatalf("%s did not come within %s; %s said:\n%s", what, patience, s.name, said)
		}
	}
}

func serverNamed(ts *testscript.TestScript, name string) *server {
	s := ts.Value(serversKey{}).(servers)[name]
	if s == nil {
		ts.Fatalf("there is no server named %s", name)
	}
	return s
}

// cmdOutput waits until a running server has written something: output NAME REGEXP
func cmdOutput(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 2, "output NAME REGEXP")
	wanted, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	serverNamed(ts, args[0]).waitFor(ts, args[1], wanted.MatchString)
}

// cmdSignal sends a signal to a server, or with -all to its workers too, as a terminal does: signal [-all] NAME SIGNAL
func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	target := 1
	if len(args) > 0 && args[0] == "-all" {
		target, args = -1, args[1:]
	}
	need(ts, neg, len(args) == 2 && signals[args[1]] != 0, "signal [-all] NAME SIGNAL")
	pid := serverNamed(ts, args[0]).command.Process.Pid
	ts.Check(syscall.Kill(target*pid, signals[args[1]]))
	for deadline := time.Now().Add(patience); args[1] == "STOP" && !stopped(pid); time.Sleep(glance) {
		if time.Now().After(deadline) {
			ts.Fatalf("%s did not stop", args[0])
		}
	}
}

// stopped reports whether every thread of the process is stopped by a signal.
func stopped(pid int) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, thread := range threads {
		stat, _ := os.ReadFile(thread)
		if !bytes.Contains(stat, []byte(") T ")) {
			return false
		}
	}
	return len(threads) > 0
}

// cmdEnds waits for the end of a server and for its exit code, and sees that it left no process behind: ends NAME CODE.
// stdout and stderr are then about what it wrote.
func cmdEnds(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 2, "ends NAME CODE")
	s := serverNamed(ts, args[0])
	select {
	case <-s.ended:
	case <-time.After(patience):
		ts.Fatalf("%s did not end within %s; it said:\n%s", s.name, patience, s.said())
	}
	show(ts, s)
	if code := strconv.Itoa(s.command.ProcessState.ExitCode()); code != args[1] {
		ts.Fatalf("%s ended with %s, want exit code %s; it said:\n%s", s.name, s.command.ProcessState, args[1], s.said())
	}
	if left := survivors(s.command.Process.Pid); left != "" {
		ts.Fatalf("%s left processes behind: %s", s.name, left)
	}
}

func show(ts *testscript.TestScript, s *server) {
	stdout, err := os.ReadFile(s.stdout)
	ts.Check(err)
	stderr, err := os.ReadFile(s.stderr)
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%s", stdout)
	fmt.Fprintf(ts.Stderr(), "%s", stderr)
}

// survivors names the processes of a group that do not end by themselves within a second.
func survivors(group int) string {
	for deadline := time.Now().Add(time.Second); ; time.Sleep(glance) {
		if errors.Is(syscall.Kill(-group, 0), syscall.ESRCH) {
			return ""
		}
		if time.Now().After(deadline) {
			list, _ := exec.Command("ps", "-o", "pid,ppid,stat,args", "--no-headers", "-g", strconv.Itoa(group)).CombinedOutput()
			return string(list)
		}
	}
}

// cmdExits runs a program to its end and compares the exit code: exits CODE [VARIABLE=VALUE…] PROGRAM ARGUMENT…
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) >= 2, "exits CODE [VARIABLE=VALUE…] PROGRAM ARGUMENT…")
	command := prepare(ts, args[1:])
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	ts.Check(command.Start())
	late := time.AfterFunc(patience, func() { _ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL) })
	err := command.Wait()
	late.Stop()
	_, _ = stdout.WriteTo(ts.Stdout())
	_, _ = stderr.WriteTo(ts.Stderr())
	if code := strconv.Itoa(command.ProcessState.ExitCode()); code != args[0] {
		ts.Fatalf("%s ended with %s (%v), want exit code %s", strings.Join(args[1:], " "), command.ProcessState, err, args[0])
	}
	if left := survivors(command.Process.Pid); left != "" {
		ts.Fatalf("%s left processes behind: %s", args[1], left)
	}
}

// cmdHold makes sure that an address is taken, and sets VARIABLE to its port: hold VARIABLE HOST:PORT
func cmdHold(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 2, "hold VARIABLE HOST:PORT")
	_, port, err := net.SplitHostPort(args[1])
	ts.Check(err)
	switch listener, err := net.Listen("tcp", args[1]); {
	case err == nil:
		ts.Defer(func() { listener.Close() })
		_, port, err = net.SplitHostPort(listener.Addr().String())
		ts.Check(err)
	case !errors.Is(err, syscall.EADDRINUSE): // somebody else's is as good
		ts.Check(err)
	}
	ts.Setenv(args[0], port)
}

// cmdFree sets VARIABLE to a port that nobody listens on: free VARIABLE
func cmdFree(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 1, "free VARIABLE")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	ts.Check(errors.Join(err, listener.Close()))
	ts.Setenv(args[0], port)
}
