package generation

import (
	"fmt"
	"strings"
	"testing"

	"speyside.dev/speyside/internal/fault"
)

func (s *stand) states() string {
	var all []string
	for _, g := range s.Snapshots() {
		all = append(all, fmt.Sprint(g.Number, " ", g.State))
	}
	return strings.Join(all, ", ")
}

func (s *stand) expectStates(want string) {
	s.t.Helper()
	if got := s.states(); got != want {
		s.t.Fatalf("states are %q, want %q", got, want)
	}
}

// outcome returns what was told, or nil.
func outcome(told <-chan Outcome) *Outcome {
	select {
	case o := <-told:
		return &o
	default:
		return nil
	}
}

func TestStatesOfGenerationsFollowAReload(t *testing.T) {
	s := begin(t, 1)
	s.expectStates("1 loading")
	s.Ready(1)
	s.expectStates("1 in service")
	s.Reload()
	s.expectStates("1 in service, 2 loading")
	s.Ready(2)
	s.expectStates("1 standing by, 2 in service")
	s.proved(s.current)
	s.expectStates("1 draining, 2 in service")
	s.Ended(1, nil)
	s.expectStates("2 in service")
	s.Reload()
	s.Crashed(3, "worker 0 died")
	s.expectStates("2 in service, 3 draining")
	s.Retire()
	s.expectStates("2 draining, 3 draining")
}

func TestReloadThatIsAwaitedIsToldAfterItsFirstSeconds(t *testing.T) {
	s := begin(t, 1)
	s.Ready(1)
	told := s.AwaitReload()
	s.Ready(2)
	if o := outcome(told); o != nil {
		t.Fatalf("told %+v while the generation may still crash", o)
	}
	s.proved(s.current)
	if o := outcome(told); o == nil || o.Error != "" || o.Generation != 2 {
		t.Fatalf("told %+v", o)
	}
}

func TestReloadThatIsAwaitedIsToldWhyItFailed(t *testing.T) {
	s := begin(t, 1)
	s.Ready(1)
	crashing, broken, unmade := s.AwaitReload(), s.AwaitReload(), (<-chan Outcome)(nil)
	s.Ready(2) // begins 3
	s.Traceback(3, "Traceback …")
	s.Ended(3, fault.New(fault.ImportFailed, "no module"))
	if o := outcome(broken); o == nil || o.Error != "no module" || o.Code != "SPY0101" || o.Traceback != "Traceback …" || o.Hint == "" {
		t.Fatalf("told %+v", o)
	}
	if o := outcome(crashing); o != nil {
		t.Fatalf("told %+v of another generation", o)
	}
	s.Crashed(2, "worker 0 died")
	if o := outcome(crashing); o == nil || o.Generation != 2 || o.Code != "SPY0106" {
		t.Fatalf("told %+v", o)
	}
	s.broken[4] = fault.New(fault.PythonNotFound, "")
	unmade = s.AwaitReload()
	if o := outcome(unmade); o == nil || o.Code != "SPY0005" {
		t.Fatalf("told %+v", o)
	}
}

func TestReloadThatIsFollowedByAnotherInItsFirstSecondsDidTakeOver(t *testing.T) {
	s := begin(t, 1)
	s.Ready(1)
	first, second := s.AwaitReload(), s.AwaitReload()
	s.Ready(2)
	s.Ready(3)
	if o := outcome(first); o == nil || o.Error != "" || o.Generation != 2 {
		t.Fatalf("told %+v", o)
	}
	if o := outcome(second); o != nil {
		t.Fatalf("told %+v", o)
	}
}

func TestStopTellsThoseWhoWaitForAReload(t *testing.T) {
	for name, stop := range map[string]func(*stand){"stop": func(s *stand) { s.Stop() }, "kill": func(s *stand) { s.Kill(nil) }} {
		s := begin(t, 1)
		s.Ready(1)
		before := s.AwaitReload()
		again := s.AwaitReload()
		stop(s)
		after := s.AwaitReload()
		for _, told := range []<-chan Outcome{before, again, after} {
			if o := outcome(told); o == nil || o.Error != "the server stops" {
				t.Errorf("%s: told %+v", name, o)
			}
		}
	}
}
