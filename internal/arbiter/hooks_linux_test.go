package arbiter

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"speyside.dev/speyside/internal/fault"
)

// hooked begins with an application like gunicorn's; the second result are the orders that the zygotes were given, but SpawnWorker.
func hooked(t *testing.T, app string, change ...func(*Options)) (*stand, func() []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "orders")
	t.Setenv("FAKE_ORDERS", path)
	like := func(o *Options) {
		o.Gunicorn, o.Occasion = json.RawMessage(`{"bind":["a"]}`), OccasionStart
		o.Ending = func() bool { return true }
	}
	s := begin(t, app, append([]func(*Options){like}, change...)...)
	return s, func() []string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSpace(string(text)), "\n")
	}
}

func TestZygoteIsToldOfScalingUpgradeAndTheEnd(t *testing.T) {
	s, orders := hooked(t, "")
	s.waitReady(2)
	s.Scaled(3)
	s.Scale(3, false)
	s.waitReady(3)
	if !s.PrepareExec(t.Context()) {
		t.Error("a hook that raised nothing is in the way of the upgrade")
	}
	s.drainIn(patience)
	told := orders()
	if !strings.Contains(told[0], `"occasion":"start"`) || !strings.Contains(told[0], `"gunicorn":{"bind":["a"]}`) {
		t.Error(told[0])
	}
	if rest := strings.Join(told[1:], " "); rest != `{"type":"WorkersScaled","workers":3} {"type":"PrepareExec"} {"type":"EndService"} end` {
		t.Error(rest)
	}
}

func TestSettingsThatDoNotFitAnOrderAreLeftToTheFile(t *testing.T) {
	large, tags := strings.Repeat("x", longestMessage), strings.Repeat("<", mostGunicorn/5) // JSON has six bytes for each of the latter
	all, err := json.Marshal(map[string]any{"bind": []string{"a"}, "raw_env": large, "access_log_format": tags, "workers": 3})
	if err != nil {
		t.Fatal(err)
	}
	if fits := string(fitting(all)); fits != `{"bind":["a"],"workers":3}` {
		t.Errorf("%d bytes: %.100s", len(fits), fits)
	}
	small := json.RawMessage(`{"bind": ["a"]}`)
	if fits := fitting(small); string(fits) != string(small) || fitting(nil) != nil {
		t.Errorf("%s", fits)
	}
}

func TestEndOfAGenerationIsNotThatOfTheServer(t *testing.T) {
	s, orders := hooked(t, "", func(o *Options) { o.Ending = func() bool { return false } })
	s.waitReady(2)
	s.drainIn(patience)
	if told := orders(); len(told) != 2 || told[1] != "end" {
		t.Error(told)
	}
}

func TestZygoteAfterADeadOneIsNoStart(t *testing.T) {
	s, orders := hooked(t, "")
	s.waitReady(2)
	kill(t, s.zygotePid(), syscall.SIGKILL)
	s.waitReady(4)
	if told := orders(); len(told) != 2 || !strings.Contains(told[1], `"occasion":"again"`) {
		t.Error(told)
	}
}

func TestHookThatRaisesKeepsTheUpgradeBack(t *testing.T) {
	s, _ := hooked(t, "refuses-exec")
	s.waitReady(2)
	if s.PrepareExec(t.Context()) {
		t.Error("the hook has raised")
	}
}

func TestUpgradeWaitsForNoZygoteThatDies(t *testing.T) {
	s, _ := hooked(t, "")
	s.waitReady(2)
	stop(t, s.zygotePid())
	answered := make(chan bool)
	go func() { answered <- s.PrepareExec(t.Context()) }()
	s.wait("the order", func() bool { return s.asksPrepared() })
	kill(t, s.zygotePid(), syscall.SIGKILL)
	select {
	case may := <-answered:
		if !may {
			t.Error("nobody has refused")
		}
	case <-time.After(patience):
		t.Error("no answer")
	}
}

// asksPrepared reports that an answer to PrepareExec is awaited.
func (s *stand) asksPrepared() bool {
	asks := make(chan bool, 1)
	s.mu.Unlock()
	defer s.mu.Lock()
	s.post(func() { asks <- s.preparing != nil })
	return <-asks
}

func TestHookThatRaisesBeforeTheFirstForkEndsTheStart(t *testing.T) {
	s, _ := hooked(t, "hook-raises")
	err := <-s.ended
	if fault.Of(err) != fault.HookFailed || err.Error() != "conf.py:3: pre_fork() raised" {
		t.Error(err)
	}
	s.ended <- err
}

func TestHookThatRaisesLaterLeavesTheServerAsItIs(t *testing.T) {
	s, _ := hooked(t, "hook-raises-later")
	s.waitReady(2)
	s.Scale(3, false)
	s.waitLog("conf.py:3: pre_fork() raised")
	if now, there := s.Snapshot(t.Context()); !there || len(now.Workers) != 2 {
		t.Errorf("%+v", now)
	}
	s.drainIn(patience)
}

func TestEndAtOnceLeavesTheZygoteItsLastWord(t *testing.T) {
	s, orders := hooked(t, "does-not-drain")
	s.waitReady(2)
	s.Kill()
	<-s.finished
	if told := orders(); strings.Join(told[1:], " ") != `{"type":"EndService"} end` {
		t.Error(told)
	}
	if strings.Contains(s.logged(), "SIGKILL") {
		t.Error("workers were killed that would have ended by themselves")
	}
}

func TestEndAtOnceIsTheEndWhateverHooksDo(t *testing.T) {
	s, _ := hooked(t, "does-not-drain")
	pid := s.waitReady(2)[0].pid
	stop(t, pid)
	began := time.Now()
	s.Kill()
	<-s.finished
	if took := time.Since(began); took < quickGrace || took > patience/2 {
		t.Errorf("it took %v", took)
	}
}

// stop stops a process, and returns when it stands.
func stop(t *testing.T, pid int) {
	t.Helper()
	kill(t, pid, syscall.SIGSTOP)
	for !stopped(pid) {
		runtime.Gosched()
	}
}
