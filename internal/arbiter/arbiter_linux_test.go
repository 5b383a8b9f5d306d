package arbiter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/fault"
)

const patience = 20 * time.Second

// stand is an arbiter under test, with everything it told.
type stand struct {
	t *testing.T
	*Arbiter
	ended chan error

	mu      sync.Mutex
	changed *sync.Cond
	log     strings.Builder
	ready   []readiness
	dead    []int
	loaded  int
	traces  []string
	inHand  []Request // what every worker that dies has
	hold    bool      // keep acknowledgements back
	held    []func()
}

type readiness struct{ worker, pid int }

func begin(t *testing.T, app string, change ...func(*Options)) *stand {
	t.Helper()
	s := &stand{t: t, ended: make(chan error, 1)}
	s.changed = sync.NewCond(&s.mu)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("FAKE_MARK", filepath.Join(t.TempDir(), "loaded"))
	reaper, err := NewReaper()
	if err != nil {
		t.Fatal(err)
	}
	options := Options{
		Generation: 1, Reaper: reaper, DrainPatience: patience,
		Python: []string{os.Args[0], "-P", "-m", "speyside.boot"}, App: app, Workers: 2, Threads: 1, Segment: null, Spool: null, Ports: []*os.File{null},
		Log:       slog.New(slog.NewTextHandler(s, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Listen:    func(string, int) (Listener, error) { return Listener{Name: "localhost", Port: "4711"}, nil },
		Listeners: func() []Listener { return []Listener{{"localhost", "80", "http"}} },
		Loaded:    func(Loaded) { s.change(func() { s.loaded++ }) },
		Ready:     func(worker, pid int) { s.change(func() { s.ready = append(s.ready, readiness{worker, pid}) }) },
		Dead:      s.died,
		Traceback: func(text string) { s.change(func() { s.traces = append(s.traces, text) }) },
	}
	for _, f := range change {
		f(&options)
	}
	s.Arbiter = New(options)
	go func() { s.ended <- s.Run(context.Background()) }()
	t.Cleanup(func() {
		s.Kill()
		<-s.finished
		null.Close()
		if t.Failed() {
			s.mu.Lock()
			t.Log(s.log.String())
			s.mu.Unlock()
		}
	})
	return s
}

func (s *stand) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	s.changed.Broadcast()
}

// Write takes a line of the log.
func (s *stand) Write(line []byte) (int, error) {
	s.change(func() { s.log.Write(bytes.Replace(line, []byte(" generation=1"), nil, 1)) })
	return len(line), nil
}

func (s *stand) died(worker int, told func([]Request)) {
	acknowledged := func() { told(s.inHand) }
	s.change(func() {
		s.dead = append(s.dead, worker)
		if s.hold {
			s.held = append(s.held, acknowledged)
			return
		}
		acknowledged()
	})
}

// wait waits until holds, which is called with the lock.
func (s *stand) wait(what string, holds func() bool) {
	s.t.Helper()
	late := time.AfterFunc(patience, func() { s.change(func() {}) })
	defer late.Stop()
	deadline := time.Now().Add(patience)
	s.mu.Lock()
	defer s.mu.Unlock()
	for !holds() {
		if time.Now().After(deadline) {
			s.t.Fatalf("not in %v: %s\n%s", patience, what, s.log.String())
		}
		s.changed.Wait()
	}
}

func (s *stand) waitReady(count int) []readiness {
	s.t.Helper()
	s.wait(fmt.Sprintf("%d workers ready", count), func() bool { return len(s.ready) >= count })
	return append([]readiness(nil), s.ready...)
}

func (s *stand) waitLog(text string) {
	s.t.Helper()
	s.wait("log "+text, func() bool { return strings.Contains(s.log.String(), text) })
}

// logged returns the log so far.
func (s *stand) logged() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// waitEnd returns the error of Run.
func (s *stand) waitEnd() error {
	s.t.Helper()
	select {
	case err := <-s.ended:
		return err
	case <-time.After(patience):
		s.t.Fatal("Run did not return")
		return nil
	}
}

func (s *stand) drainIn(d time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	s.Drain(ctx)
}

func (s *stand) zygotePid() int {
	pid := make(chan int)
	s.post(func() { pid <- s.Arbiter.zygote.process.pid })
	return <-pid
}

func kill(t *testing.T, pid int, number syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, number); err != nil {
		t.Fatal(err)
	}
}

// gone reports whether the process no longer runs: a zombie does not.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func TestDrainEndsWorkersThenZygote(t *testing.T) {
	s := begin(t, "app")
	ready := s.waitReady(2)
	zygote := s.zygotePid()
	s.drainIn(patience)
	if err := s.waitEnd(); err != nil {
		t.Errorf("Run returned %v", err)
	}
	for _, pid := range []int{ready[0].pid, ready[1].pid, zygote} {
		if !gone(pid) {
			t.Errorf("process %d still runs", pid)
		}
	}
	if len(s.dead) != 2 {
		t.Errorf("deaths told: %v", s.dead)
	}
	if !strings.Contains(s.log.String(), "worker drained") {
		t.Error("the workers were not drained")
	}
}

func TestDeadWorkerIsReplacedAtOnce(t *testing.T) {
	s := begin(t, "app")
	first := s.waitReady(2)[0]
	kill(t, first.pid, syscall.SIGKILL)
	again := s.waitReady(3)[2]
	if again.worker != first.worker || again.pid == first.pid {
		t.Errorf("replaced %v by %v", first, again)
	}
	s.waitLog(fmt.Sprintf("msg=\"worker reaped\" worker=%d pid=%d signal=SIGKILL", first.worker, first.pid))
}

func TestNumberIsGivenAgainOnlyWhenReclaimed(t *testing.T) {
	s := begin(t, "app")
	first := s.waitReady(2)[0]
	s.change(func() { s.hold = true })
	kill(t, first.pid, syscall.SIGKILL)
	s.wait("the death is told", func() bool { return len(s.held) == 1 })
	handled := make(chan struct{})
	s.post(func() { close(handled) })
	<-handled
	s.change(func() {
		if len(s.ready) != 2 {
			t.Error("a worker has the number of one whose requests are not seen to yet")
		}
		s.hold = false
		s.held[0]()
	})
	s.waitReady(3)
}

func TestThirdDeathIsDelayedAndLogged(t *testing.T) {
	s := begin(t, "app", func(o *Options) { o.Workers = 1 })
	for i := 1; i <= 3; i++ {
		kill(t, s.waitReady(i)[i-1].pid, syscall.SIGKILL)
	}
	s.waitLog("msg=\"worker delayed\" worker=0 delay=500ms")
	s.waitReady(4)
}

func TestCrashLoopBacksOffAtItsOwnNumbers(t *testing.T) {
	s := begin(t, "worker-dies")
	for _, delay := range []string{"500ms", "1s", "2s"} {
		for number := range 2 {
			s.waitLog(fmt.Sprintf("msg=\"worker delayed\" worker=%d delay=%s", number, delay))
		}
	}
	var dead []int
	s.change(func() { dead = append(dead, s.dead...) })
	for _, number := range dead {
		if number > 1 {
			t.Errorf("worker %d was tried: its number has no back-off of the others", number)
		}
	}
	if n := len(dead); n > 2*(freeDeaths+3) {
		t.Errorf("%d deaths", n)
	}
}

func TestRecordOfADeathTellsWhatWasInHand(t *testing.T) {
	s := begin(t, "app", func(o *Options) { o.Workers = 1 })
	pid := s.waitReady(1)[0].pid
	sampled := make(chan struct{})
	s.post(func() {
		defer close(sampled)
		s.sample()
	})
	<-sampled
	inHand := []Request{{ID: "ab-1", Label: "GET /\x1b[31m", Client: "192.0.2.1", Age: 1500 * time.Millisecond, Thread: 7},
		{ID: "ab-2", Label: "GET /fresh", Thread: 8, Note: "its client had left"}}
	s.change(func() { s.inHand = inHand })
	kill(t, pid, syscall.SIGKILL)
	s.waitReady(2)
	s.waitLog(fmt.Sprintf("msg=\"worker reaped\" worker=0 pid=%d signal=SIGKILL why=", pid))
	log := s.logged()
	for _, want := range []string{"cannot be known", " rss=", "MiB", " in_hand=2 ", "thread 7: GET / [31m for 1.5s, id=ab-1 client=192.0.2.1",
		"thread 8: GET /fresh for less than 100ms, id=ab-2", "(its client had left)"} {
		if !strings.Contains(log, want) {
			t.Errorf("the record has no %q", want)
		}
	}
	s.drainIn(patience)
	if strings.Contains(s.logged(), "killed by this server") {
		t.Error("nobody was killed by us")
	}
}

func TestWhoHangsLeavesTheBackOffOfOthersAlone(t *testing.T) {
	s := begin(t, "does-not-drain", func(o *Options) {
		o.Numbers = 12
		o.GiveUp = func(_ int, told func([]Request)) { told(nil) }
	})
	ready := s.waitReady(2)
	for i := range 3 { // each is given up, and another takes its place before it is killed
		s.Overdue(Request{Worker: ready[len(ready)-1].worker, Slot: 1, Filling: 1})
		ready = s.waitReady(3 + i)
		s.wait("who hung is dead", func() bool { return len(s.dead) == i+1 })
	}
	s.wait("three records", func() bool { return strings.Count(s.log.String(), "killed by this server") == 3 })
	if strings.Contains(s.logged(), "worker delayed") {
		t.Error("a worker that was replaced already delays another")
	}
}

func TestTerminatedWorkerDrainsAndIsReplaced(t *testing.T) {
	s := begin(t, "app", func(o *Options) { o.Workers = 1 })
	kill(t, s.waitReady(1)[0].pid, syscall.SIGTERM)
	s.waitReady(2)
	s.waitLog("worker drained")
}

func TestDeathIsSeenWhileZygoteIsStopped(t *testing.T) {
	s := begin(t, "app")
	first := s.waitReady(2)[0]
	zygote := s.zygotePid()
	kill(t, zygote, syscall.SIGSTOP)
	kill(t, first.pid, syscall.SIGKILL)
	s.wait("the death is told", func() bool { return len(s.dead) == 1 })
	s.waitLog("status=unknown")
	kill(t, zygote, syscall.SIGCONT)
	s.waitReady(3)
}

func TestDeadZygoteIsReplacedAndItsWorkersRelieved(t *testing.T) {
	s := begin(t, "app")
	orphans := s.waitReady(2)
	kill(t, s.zygotePid(), syscall.SIGKILL)
	s.waitReady(4)
	s.wait("both orphans are dead", func() bool { return len(s.dead) == 2 })
	for _, orphan := range orphans {
		if !gone(orphan.pid) {
			t.Errorf("orphan %d still runs", orphan.pid)
		}
	}
	s.waitLog("zygote died")
	s.wait("both records", func() bool { return strings.Count(s.log.String(), "worker reaped") == 2 })
	if strings.Contains(s.logged(), "status=unknown") {
		t.Error("the front did not wait for its orphans itself")
	}
}

func TestOrphansServeWhileTheApplicationDoesNotLoad(t *testing.T) {
	s := begin(t, "fails-later")
	orphans := s.waitReady(2)
	kill(t, s.zygotePid(), syscall.SIGKILL)
	s.waitLog("zygote delayed")
	for _, orphan := range orphans {
		if gone(orphan.pid) {
			t.Errorf("orphan %d is gone", orphan.pid)
		}
	}
	s.waitLog("application failed to load")
}

func TestOrphanThatNobodyNamedStillCounts(t *testing.T) {
	s := begin(t, "forgets")
	orphans := s.waitReady(2)
	s.change(func() { s.hold = true })
	kill(t, s.zygotePid(), syscall.SIGKILL)
	s.wait("both are told dead", func() bool { return len(s.dead) == 2 })
	for _, orphan := range orphans { // their memory is gone, they may still be about to end
		p, err := open(orphan.pid)
		if err != nil {
			continue
		}
		late := time.AfterFunc(patience, p.close)
		p.wait()
		if !late.Stop() {
			t.Errorf("orphan %d still runs", orphan.pid)
		}
	}
}

func TestBootFailureIsReturned(t *testing.T) {
	for app, want := range map[string]*fault.Fault{"fails": fault.CallableNotFound, "dies": fault.ZygoteDied} {
		s := begin(t, app)
		err := s.waitEnd()
		if fault.Of(err) != want {
			t.Errorf("%s: Run returned %v", app, err)
		}
		if app == "fails" && (err.Error() != "no app " || fault.Hint(err) != "look" || len(s.traces) != 1) {
			t.Errorf("told %q, hint %q, traceback %q", err, fault.Hint(err), s.traces)
		}
	}
}

func TestMoreThanPythonCanBeToldIsTheSettings(t *testing.T) {
	s := begin(t, "app", func(o *Options) { o.Env = []string{"LARGE=" + strings.Repeat("x", longestMessage)} })
	if err := s.waitEnd(); fault.Of(err) != fault.SettingInvalid || !strings.Contains(fault.Hint(err), "raw_env") {
		t.Errorf("Run returned %v", err)
	}
}

func TestMissingPythonIsReturned(t *testing.T) {
	s := begin(t, "app", func(o *Options) { o.Python = []string{"/nowhere/python"} })
	if err := s.waitEnd(); fault.Of(err) != fault.PythonNotFound {
		t.Errorf("Run returned %v", err)
	}
}

func TestPythonThatCannotBeZygoteIsExplained(t *testing.T) {
	for status, want := range map[string]*fault.Fault{"1": fault.ExtensionMissing, "2": fault.PythonTooOld, "7": fault.ZygoteDied} {
		python := filepath.Join(t.TempDir(), "python")
		if err := os.WriteFile(python, []byte("#!/bin/sh\nexit "+status+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		s := begin(t, "app", func(o *Options) { o.Python = []string{python} })
		if err := s.waitEnd(); fault.Of(err) != want {
			t.Errorf("exit status %s: Run returned %v", status, err)
		}
	}
}

func TestDrainWhileLoadingEnds(t *testing.T) {
	s := begin(t, "hangs")
	s.drainIn(patience)
	if err := s.waitEnd(); err != nil {
		t.Errorf("Run returned %v", err)
	}
}

func TestWhatDoesNotDrainIsKilled(t *testing.T) {
	s := begin(t, "does-not-drain")
	ready := s.waitReady(2)
	s.drainIn(10 * time.Millisecond)
	if err := s.waitEnd(); err != nil || !gone(ready[0].pid) || !gone(ready[1].pid) {
		t.Errorf("Run returned %v with workers left", err)
	}
	s.waitLog("worker killed")
}

func TestIdleWorkersOfWhatIsGivenUpAreNoReasonToWarn(t *testing.T) {
	for name, test := range map[string]struct {
		app    string
		inHand []Request
		level  string
	}{
		"idle":        {"app", nil, "INFO"},
		"unexplained": {"tells-no-status", nil, "INFO"},
		"busy":        {"app", []Request{{ID: "ab-1", Label: "GET /", Thread: 7}}, "WARN"},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t, test.app)
			s.waitReady(2)
			s.change(func() { s.inHand = test.inHand })
			s.Kill()
			if err := s.waitEnd(); err != nil {
				t.Errorf("Run returned %v", err)
			}
			if log := s.logged(); strings.Count(log, "level="+test.level+" msg=\"worker reaped\"") != 2 {
				t.Errorf("not two records of level %s:\n%s", test.level, log)
			}
		})
	}
}

func TestWorkerThatWasForkedButNotNamedIsKilledToo(t *testing.T) {
	s := begin(t, "names-late worker-deaf")
	pid := s.waitReady(1)[0].pid // it says so itself, before its zygote
	s.Kill()
	if err := s.waitEnd(); err != nil || !gone(pid) {
		t.Errorf("Run returned %v with workers left", err)
	}
}

func TestZygoteThatNamesNobodyIsKilledInTheEnd(t *testing.T) {
	s := begin(t, "forgets")
	s.waitReady(2)
	s.Kill()
	if err := s.waitEnd(); err != nil {
		t.Errorf("Run returned %v", err)
	}
}

func TestEndOfContextKills(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := begin(t, "app")
	s.waitReady(2)
	other := New(s.options)
	returned := make(chan error)
	go func() { returned <- other.Run(ctx) }()
	ready := s.waitReady(4)
	cancel()
	if err := <-returned; !errors.Is(err, context.Canceled) {
		t.Errorf("Run returned %v", err)
	}
	for _, r := range ready[2:] {
		if !gone(r.pid) {
			t.Errorf("worker %d still runs", r.pid)
		}
	}
}

func TestAloneScriptIsDrainedAndEnds(t *testing.T) {
	s := begin(t, "alone", func(o *Options) { o.Script = true })
	if ready := s.waitReady(1); ready[0].pid != s.zygotePid() {
		t.Errorf("the zygote is not the worker: %v", ready)
	}
	s.drainIn(patience)
	if err := s.waitEnd(); err != nil {
		t.Errorf("Run returned %v", err)
	}
}

func TestAloneScriptIsRunAgainWhenKilled(t *testing.T) {
	s := begin(t, "alone listens", func(o *Options) { o.Script = true })
	for i := 1; i <= 2; i++ {
		kill(t, s.waitReady(i)[i-1].pid, syscall.SIGKILL)
	}
	s.waitReady(3)
	s.wait("the deaths are told", func() bool { return len(s.dead) == 2 && s.loaded == 3 })
}

func TestScriptThatEndsBadlyIsAFault(t *testing.T) {
	s := begin(t, "alone ends-badly", func(o *Options) { o.Script = true })
	s.waitReady(1)
	s.drainIn(patience)
	if err := s.waitEnd(); fault.Of(err) != fault.ScriptFailed {
		t.Errorf("Run returned %v", err)
	}
}

func TestForkedScriptIsStoppedLast(t *testing.T) {
	s := begin(t, "app", func(o *Options) { o.Script = true })
	s.waitReady(2)
	s.drainIn(patience)
	if err := s.waitEnd(); err != nil {
		t.Errorf("Run returned %v", err)
	}
	s.waitLog("script ended")
}

func TestZygoteThatMisspeaksIsEnded(t *testing.T) {
	for _, app := range []string{"babbles", "lies"} {
		s := begin(t, app)
		if app == "lies" {
			s.waitReadyNever()
			continue
		}
		if err := s.waitEnd(); fault.Of(err) != fault.ZygoteDied {
			t.Errorf("%s: Run returned %v", app, err)
		}
	}
}

// waitReadyNever checks that a process which is not the zygote's child is neither watched nor harmed: ours.
func (s *stand) waitReadyNever() {
	s.t.Helper()
	s.drainIn(100 * time.Millisecond)
	if err := s.waitEnd(); err != nil {
		s.t.Errorf("Run returned %v", err)
	}
}

func TestWorkerThatMisspeaksIsKilled(t *testing.T) {
	s := begin(t, "worker-babbles", func(o *Options) { o.Workers = 1 })
	s.waitLog("worker misspoke")
	s.waitLog("signal=SIGKILL")
}

func TestStraysAreReapedAtTheSecondLook(t *testing.T) {
	s := begin(t, "app")
	s.waitReady(2)
	var pids []int
	for range 20 {
		out, err := exec.Command("sh", "-c", "sleep 0.05 >/dev/null & echo $!").Output()
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	for _, pid := range pids {
		if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
			t.Fatal(err)
		}
	}
	look := func() (left int) {
		looked := make(chan bool)
		go func() { s.options.Reaper.reap(); close(looked) }()
		<-looked
		for _, pid := range pids {
			if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil {
				left++
			}
		}
		return left
	}
	if left := look(); left != len(pids) {
		t.Fatalf("%d of %d strays are left after one look: somebody may wait for them", left, len(pids))
	}
	if left := look(); left != 0 {
		t.Fatalf("%d strays are left after the second look", left)
	}
}

func TestTextsOfAWorkerAreMadeHarmless(t *testing.T) {
	if got := line("a\x1b[31mb\nc\u009b" + strings.Repeat("x", 9999)); strings.ContainsAny(got, "\x1b\n\u009b") || len(got) > longestText {
		t.Errorf("line left %q", got[:20])
	}
	if got := lines("a\n\tb\x07"); got != "a\n    b " {
		t.Errorf("lines left %q", got)
	}
}

func TestRenewedWorkerServesUntilItsSuccessorIsReady(t *testing.T) {
	s := begin(t, "app", func(o *Options) { o.Numbers = 4 })
	before := s.waitReady(2)
	s.post(func() {
		for _, at := range s.places {
			if at.worker != nil {
				s.renew(at.worker, "a test")
			}
		}
	})
	after := s.waitReady(4)[2:]
	s.wait("both are gone", func() bool { return len(s.dead) == 2 })
	numbers := map[int]bool{before[0].worker: true, before[1].worker: true}
	if numbers[after[0].worker] {
		t.Errorf("%v came after %v at the number of a worker that still served", after, before)
	}
	log := s.logged()
	first, second := strings.Index(log, "worker drained"), strings.LastIndex(log, "worker ready")
	if first < 0 || second < first {
		t.Error("the second successor came before the first worker had left: more than one beside the full number")
	}
	s.waitLog("worker recycled")
}
