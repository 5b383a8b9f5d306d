package arbiter

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The test binary stands for Python: started with fakeEnv set, it is a zygote or a worker that obeys PROTOCOL.md. App
// says how it misbehaves, in words separated by spaces.
const fakeEnv = "SPEYSIDE_FAKE"

func TestMain(m *testing.M) {
	switch os.Getenv(fakeEnv) {
	case "zygote":
		new(fakeZygote).run()
	case "worker":
		fakeWorker()
	default:
		os.Setenv(fakeEnv, "zygote") // for every process that the tests start
		os.Setenv("GORACE", "atexit_sleep_ms=0")
		os.Exit(m.Run())
	}
}

// fakeZygote starts its workers with exec, since Go cannot fork.
type fakeZygote struct {
	app string
}

func (z *fakeZygote) run() {
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP)
	say(3, map[string]any{"type": "ZygoteBooted"})
	load, _ := hear(3)
	z.note(load)
	if load["type"] == "ReadConfiguration" {
		say(3, map[string]any{"type": "ConfigurationRead", "file": load["file"]})
		readings, _ := os.OpenFile(os.Getenv("FAKE_READINGS"), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
		_, _ = readings.WriteString(load["file"].(string) + "\n")
		load, _ = hear(3)
	}
	if load["type"] == nil {
		os.Exit(0)
	}
	z.app, _ = load["app"].(string)
	switch {
	case z.does("dies"):
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case z.does("hangs"):
		select {}
	case z.does("fails") || z.does("fails-later") && exists(os.Getenv("FAKE_MARK")):
		say(3, map[string]any{"type": "ApplicationFailed", "code": "SPY0102", "text": "no app\x1b", "hint": "look", "traceback": "a\nb"})
		os.Exit(1)
	case z.does("babbles"):
		say(3, map[string]any{"type": "WorkerReaped", "worker": 7, "pid": 1, "status": 9})
		say(3, map[string]any{"type": "Nonsense"})
	case z.does("listens"):
		say(3, map[string]any{"type": "ListenWanted", "host": "h", "port": 1})
		answer, _ := hear(3)
		if answer["type"] != "ListenGranted" || answer["port"] != 4711.0 {
			os.Exit(9)
		}
	}
	_ = os.WriteFile(os.Getenv("FAKE_MARK"), nil, 0o600)
	say(3, map[string]any{"type": "ApplicationLoaded", "name": z.app, "python": "3.11", "alone": z.does("alone")})
	z.obey()
}

func (z *fakeZygote) does(what string) bool {
	for _, word := range strings.Fields(z.app) {
		if word == what {
			return true
		}
	}
	return false
}

func (z *fakeZygote) obey() {
	for {
		order, files := hear(3)
		z.note(order)
		switch order["type"] {
		case nil:
			os.Exit(0)
		case "PrepareExec":
			say(3, map[string]any{"type": "ExecPrepared", "failed": z.does("refuses-exec")})
		case "StopScript":
			if z.does("alone") {
				continue
			}
			say(3, map[string]any{"type": "ScriptEnded", "status": 0})
			os.Exit(0)
		case "SpawnWorker":
			number := int(order["worker"].(float64))
			switch {
			case z.does("hook-raises") || z.does("hook-raises-later") && number > 1:
				say(3, map[string]any{"type": "SpawnFailed", "worker": number, "code": "SPY0041", "text": "conf.py:3: pre_fork() raised"})
			case z.does("alone"):
				go z.beWorker(number, files[0])
			case z.does("lies"):
				say(3, map[string]any{"type": "WorkerSpawned", "worker": number, "pid": os.Getppid()})
			default:
				z.spawn(number, files)
			}
		}
	}
}

// note writes down an order, for tests that look at what was ordered.
func (z *fakeZygote) note(order map[string]any) {
	path := os.Getenv("FAKE_ORDERS")
	if path == "" || order["type"] == "SpawnWorker" {
		return
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	said := "end"
	if order["type"] != nil {
		text, _ := json.Marshal(order)
		said = string(text)
	}
	_, _ = file.WriteString(said + "\n")
}

func (z *fakeZygote) spawn(number int, files []*os.File) {
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), fakeEnv+"=worker", "FAKE_WORKER="+strconv.Itoa(number), "FAKE_APP="+z.app)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	command.ExtraFiles = files
	if err := command.Start(); err != nil {
		panic(err)
	}
	for _, file := range files {
		file.Close()
	}
	pid := command.Process.Pid
	if z.does("names-late") {
		time.Sleep(200 * time.Millisecond)
	}
	if !z.does("forgets") {
		say(3, map[string]any{"type": "WorkerSpawned", "worker": number, "pid": pid})
	}
	go func() {
		_ = command.Wait()
		status := command.ProcessState.Sys().(syscall.WaitStatus)
		if !z.does("tells-no-status") {
			say(3, map[string]any{"type": "WorkerReaped", "worker": number, "pid": pid, "status": int(status)})
		}
	}()
}

// beWorker is the script that serves in its own process, and then ends.
func (z *fakeZygote) beWorker(number int, control *os.File) {
	fd := int(control.Fd())
	say(3, map[string]any{"type": "WorkerSpawned", "worker": number, "pid": os.Getpid()})
	say(fd, map[string]any{"type": "WorkerReady", "worker": number, "pid": os.Getpid()})
	hear(fd)
	say(fd, map[string]any{"type": "WorkerDrained", "worker": number, "requests": 1})
	status := 0
	if z.does("ends-badly") {
		status = 1
	}
	say(3, map[string]any{"type": "ScriptEnded", "status": status})
	os.Exit(status)
}

func fakeWorker() {
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP)
	number, _ := strconv.Atoi(os.Getenv("FAKE_WORKER"))
	app := os.Getenv("FAKE_APP")
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	say(3, map[string]any{"type": "WorkerReady", "worker": number, "pid": os.Getpid()})
	if strings.Contains(app, "worker-deaf") {
		time.Sleep(time.Hour)
	}
	if strings.Contains(app, "worker-dies") {
		os.Exit(3)
	}
	if strings.Contains(app, "worker-babbles") {
		say(3, map[string]any{"type": "WorkerReady", "worker": number + 1, "pid": 1})
	}
	orders := make(chan map[string]any)
	go func() {
		order, _ := hear(3)
		orders <- order
	}()
	for {
		select {
		case <-terminated:
		case order := <-orders:
			if order["type"] == nil {
				os.Exit(0)
			}
			if order["quick"] == true {
				os.Exit(0)
			}
			if strings.Contains(app, "does-not-drain") {
				go func() {
					order, _ := hear(3)
					orders <- order
				}()
				continue
			}
		}
		say(3, map[string]any{"type": "WorkerDrained", "worker": number, "requests": 0})
		os.Exit(0)
	}
}

func say(fd int, message map[string]any) {
	data, err := json.Marshal(message)
	if err != nil {
		panic(err)
	}
	_ = unix.Sendmsg(fd, data, nil, nil, unix.MSG_NOSIGNAL)
}

// hear waits for an order, and the descriptors that come along: of the worker's control socket and its pipe of stacks. Without a
// type it is the end.
func hear(fd int) (map[string]any, []*os.File) {
	data, rights := make([]byte, longestMessage), make([]byte, unix.CmsgSpace(253*4))
	n, oob, _, _, err := unix.Recvmsg(fd, data, rights, unix.MSG_CMSG_CLOEXEC)
	for err == unix.EINTR {
		n, oob, _, _, err = unix.Recvmsg(fd, data, rights, unix.MSG_CMSG_CLOEXEC)
	}
	if err != nil || n == 0 {
		return map[string]any{}, nil
	}
	var order map[string]any
	if err := json.Unmarshal(data[:n], &order); err != nil {
		panic(fmt.Sprintf("the front said %q", data[:n]))
	}
	messages, _ := unix.ParseSocketControlMessage(rights[:oob])
	var files []*os.File
	for _, message := range messages {
		fds, _ := unix.ParseUnixRights(&message)
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "given"))
		}
	}
	return order, files
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
