package generation

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"speyside.dev/speyside/internal/fault"
)

// stand is a succession whose loads only note what they are told.
type stand struct {
	t *testing.T
	*Succession
	told   []string
	broken map[int]error // numbers that cannot be made
}

type fakeLoad struct {
	stand  *stand
	number int
}

func (l fakeLoad) note(what string) {
	l.stand.told = append(l.stand.told, fmt.Sprint(what, " ", l.number))
}
func (l fakeLoad) Start()  { l.note("start") }
func (l fakeLoad) Enter()  { l.note("enter") }
func (l fakeLoad) Retire() { l.note("retire") }
func (l fakeLoad) Scale(n int, tight bool) {
	if tight {
		l.note(fmt.Sprint("scale tightly to ", n, " of"))
		return
	}
	l.note(fmt.Sprint("scale to ", n, " of"))
}
func (l fakeLoad) Kill() { l.note("kill") }

// begin returns a succession whose first generation serves. Probation ends only when the test says so.
func begin(t *testing.T, workers int) *stand {
	s := &stand{t: t, broken: map[int]error{}}
	s.Succession = New(Options{Probation: time.Hour, Workers: workers, Overlap: 99, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Make: func(number int) (Load, error) { return fakeLoad{s, number}, s.broken[number] }})
	if err := s.Begin(); err != nil {
		t.Fatal(err)
	}
	s.expect("enter 1, start 1")
	return s
}

// expect checks what the loads were told since it was called last.
func (s *stand) expect(want string) {
	s.t.Helper()
	if got := strings.Join(s.told, ", "); got != want {
		s.t.Fatalf("told %q, want %q", got, want)
	}
	s.told = nil
}

func (s *stand) over() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

func TestReloadThatIsAskedForBeforeTheBeginningFollowsIt(t *testing.T) {
	s := &stand{t: t, broken: map[int]error{}}
	s.Succession = New(Options{Probation: time.Hour, Workers: 2, Overlap: 99, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Make: func(number int) (Load, error) { return fakeLoad{s, number}, s.broken[number] }})
	s.Reload() // a HUP that came while the sockets were opened
	waiter := s.AwaitReload()
	s.expect("")
	if err := s.Begin(); err != nil {
		t.Fatal(err)
	}
	s.expect("enter 1, start 1, start 2")
	s.Ready(2)
	s.proved(s.current)
	if o := <-waiter; o.Generation != 2 || o.Error != "" {
		t.Errorf("told %+v", o)
	}
}

func TestReadyGenerationTakesOverAndTheOldOneStandsByForItsFirstSeconds(t *testing.T) {
	s := begin(t, 2)
	s.Reload()
	s.expect("start 2")
	if s.Current() != 1 {
		t.Error("the old one does not serve while the new one loads")
	}
	s.Ready(2)
	s.expect("enter 2")
	s.proved(s.current)
	s.expect("retire 1")
	s.Ended(1, nil)
	if s.over() || s.Current() != 2 || s.LastReload().Error != "" || s.LastReload().Generation != 2 {
		t.Errorf("over %v, serving %d, %+v", s.over(), s.Current(), s.LastReload())
	}
}

func TestGenerationThatFailsToLoadLeavesTheOldOneInService(t *testing.T) {
	s := begin(t, 2)
	s.Reload()
	s.Ended(2, fault.New(fault.ImportFailed, "no module"))
	s.expect("start 2")
	if o := s.LastReload(); s.over() || s.Current() != 1 || o.Code != fault.ImportFailed.Code || !strings.Contains(o.Error, "no module") {
		t.Errorf("over %v, serving %d, %+v", s.over(), s.Current(), o)
	}
	s.Reload()
	s.expect("start 3")
}

func TestWhoStandsByDoesNotGrowUntilItHasTheLineBack(t *testing.T) {
	s := begin(t, 2)
	s.Reload()
	s.Ready(2)
	s.expect("start 2, enter 2")
	s.Scale(4)
	s.expect("scale to 4 of 2")
	for range 3 {
		s.Crashed(2, "a worker died")
	}
	if !slices.Equal(s.told, []string{"enter 1", "retire 2", "scale to 4 of 1"}) {
		t.Errorf("told %q", s.told)
	}
	s.told = nil
	s.Scale(1)
	s.expect("scale to 1 of 1")
}

func TestStopDoesNotWaitForWhatIsPrepared(t *testing.T) {
	s := begin(t, 2)
	prepared, discarded := make(chan struct{}), make(chan struct{})
	s.options.Prepare = func(int) func() {
		<-prepared
		return func() { close(discarded) }
	}
	s.Reload()
	s.Reload() // another is to follow, and does not: the server stops
	s.Stop()
	s.expect("")
	close(prepared)
	<-discarded
	s.mu.Lock() // until prepare is over
	defer s.mu.Unlock()
	s.expect("")
	if s.last != 2 || s.making {
		t.Errorf("%d generations, making %v", s.last, s.making)
	}
}

func TestReloadDuringThePreparationFollowsAfterIt(t *testing.T) {
	s := begin(t, 2)
	prepared, settled := make(chan struct{}), make(chan Outcome, 4)
	s.options.Prepare = func(int) func() {
		<-prepared
		return func() {}
	}
	s.options.Settled = func(o Outcome) { settled <- o }
	s.broken[2], s.broken[3] = errors.New("half-written"), errors.New("half-written still")
	s.Reload()
	s.Reload()
	prepared <- struct{}{}
	if o := <-settled; o.Generation != 2 || o.Error != "half-written" {
		t.Errorf("%+v", o)
	}
	prepared <- struct{}{}
	if o := <-settled; o.Generation != 3 {
		t.Errorf("%+v", o)
	}
	s.expect("")
}

func TestReloadThatCannotBeMadeIsToldAndChangesNothing(t *testing.T) {
	s := begin(t, 2)
	s.broken[2] = errors.New("no memory")
	s.Reload()
	s.expect("")
	if o := s.LastReload(); s.over() || s.Current() != 1 || o.Error != "no memory" {
		t.Errorf("%+v", o)
	}
}

func TestCrashBeforeItIsReadyFailsTheReload(t *testing.T) {
	s := begin(t, 2)
	s.Reload()
	s.Crashed(2, "worker 0 died: signal SIGSEGV")
	s.expect("start 2, kill 2")
	s.Ready(2) // said by the other worker, too late
	s.Ended(2, nil)
	s.expect("")
	if o := s.LastReload(); s.Current() != 1 || !strings.Contains(o.Error, "SIGSEGV before it was ready") {
		t.Errorf("serving %d, %+v", s.Current(), o)
	}
}

func TestCrashesInItsFirstSecondsBringTheOldOneBack(t *testing.T) {
	s := begin(t, 2)
	s.Reload()
	s.Ready(2)
	s.expect("start 2, enter 2")
	s.Crashed(2, "worker 0 died: signal SIGKILL") // one of two may be anybody's doing
	s.expect("")
	s.Crashed(2, "worker 1 died: signal SIGKILL")
	s.expect("enter 1, retire 2")
	s.Crashed(2, "worker 1 died: signal SIGKILL")
	s.Ended(2, nil)
	s.expect("")
	if o := s.LastReload(); s.over() || s.Current() != 1 || !strings.Contains(o.Error, "first seconds") {
		t.Errorf("over %v, serving %d, %+v", s.over(), s.Current(), o)
	}
}

func TestCrashAfterItsFirstSecondsIsForItsArbiterAlone(t *testing.T) {
	s := begin(t, 1)
	s.Reload()
	s.Ready(2)
	s.proved(s.current)
	s.expect("start 2, enter 2, retire 1")
	s.Crashed(2, "worker 0 died: signal SIGKILL")
	s.expect("")
}

func TestReloadsThatComeWhileOneLoadsAreOneMore(t *testing.T) {
	s := begin(t, 2)
	for range 50 {
		s.Reload()
	}
	s.expect("start 2")
	s.Ready(2)
	s.expect("enter 2, start 3")
	s.Reload()
	s.Crashed(3, "worker 0 died: status 1")
	s.expect("start 4, kill 3")
	s.Ready(4)
	s.expect("retire 1, enter 4") // the second before is let go at once: there is no going back further
	s.Ended(3, nil)
	s.Ended(1, nil)
	s.expect("")
}

func TestStopEndsTheReloadAndTheStandby(t *testing.T) {
	s := begin(t, 2)
	s.Reload()
	s.Ready(2)
	s.Reload()
	s.told = nil
	s.Stop()
	s.expect("kill 3, retire 1")
	s.Ready(3)
	s.Reload()
	s.expect("")
	s.Retire()
	s.expect("retire 2")
	for _, number := range []int{1, 3} {
		s.Ended(number, nil)
	}
	if s.over() {
		t.Fatal("over while the generation in service is there")
	}
	s.Ended(2, nil)
	if err := s.Wait(); err != nil {
		t.Error(err)
	}
}

func TestEndOfTheGenerationInServiceEndsAll(t *testing.T) {
	s := begin(t, 1)
	s.Reload()
	s.Ended(1, fault.New(fault.ScriptFailed, "it failed"))
	s.expect("start 2, kill 2")
	s.Ended(2, nil)
	if err := s.Wait(); fault.Of(err) != fault.ScriptFailed {
		t.Error(err)
	}
}

func TestKillEndsEveryGeneration(t *testing.T) {
	s := begin(t, 1)
	s.Reload()
	s.Ready(2)
	s.Reload()
	s.told = nil
	s.Kill(errors.New("why"))
	slices.Sort(s.told)
	s.expect("kill 1, kill 2, kill 3")
	for number := 1; number <= 3; number++ {
		s.Ended(number, nil)
	}
	if err := s.Wait(); err == nil || err.Error() != "why" {
		t.Error(err)
	}
}

func TestScalingIsOfEveryGenerationThatMayServe(t *testing.T) {
	s := begin(t, 4)
	s.Reload()
	s.Ready(2)
	s.expect("start 2, enter 2")
	s.Reload()
	s.expect("start 3")
	s.Scale(1)
	slices.Sort(s.told)
	s.expect("scale to 1 of 1, scale to 1 of 2, scale to 1 of 3")
	s.Ended(3, errors.New("x"))
	s.Crashed(2, "a crash") // of the only worker that it has now
	s.expect("enter 1, retire 2")
	s.Scale(2)
	s.expect("scale to 2 of 1")
}

func TestReloadThatIsUnderWayWhenAllIsKilledHasNotFailed(t *testing.T) {
	s := begin(t, 2)
	var log bytes.Buffer
	s.options.Log = slog.New(slog.NewTextHandler(&log, nil))
	told := s.AwaitReload()
	s.Kill(nil)
	if o := <-told; !strings.Contains(o.Error, "stops") {
		t.Errorf("told %+v", o)
	}
	s.Ended(2, nil)
	s.Ended(1, nil)
	if !s.over() || strings.Contains(log.String(), "reload failed") {
		t.Errorf("over %v, log: %s", s.over(), log.String())
	}
}
