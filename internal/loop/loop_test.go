//go:build linux

package loop_test

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/loop"
)

// run starts a loop and returns a function that runs its argument on it and waits.
func run(t *testing.T, idler loop.Idler, panics func(any)) (*loop.Loop, func(func())) {
	t.Helper()
	l, err := loop.New(idler, panics)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- l.Run() }()
	t.Cleanup(func() {
		l.Stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		_ = l.Close()
	})
	return l, func(f func()) {
		done := make(chan struct{})
		l.Post(func() { defer close(done); f() })
		<-done
	}
}

type handler func(uint32)

func (h handler) Ready(events uint32) { h(events) }

type expirer func(*loop.Class)

func (e expirer) Expired(c *loop.Class) { e(c) }

func pipe(t *testing.T) (r, w int) {
	t.Helper()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	return p[0], p[1]
}

func TestPanicOfAHandlerCostsItsEventOnly(t *testing.T) {
	panicked := make(chan any, 1)
	l, on := run(t, nil, func(p any) { panicked <- p })
	r, w := pipe(t)
	defer unix.Close(w)
	defer unix.Close(r)
	on(func() { _, _ = l.Add(r, handler(func(uint32) { panic("hostile") }), loop.Socket) })
	_, _ = unix.Write(w, []byte("x"))
	if p := <-panicked; p != "hostile" {
		t.Fatalf("got %v", p)
	}
	on(func() {}) // it still turns
}

func TestStaleEventDoesNotReachTheSuccessor(t *testing.T) {
	l, on := run(t, nil, func(p any) { t.Error(p) })
	r1, w1 := pipe(t)
	r2, w2 := pipe(t)
	defer unix.Close(w1)
	defer unix.Close(w2)
	first := make(chan struct{}, 2)
	on(func() {
		// Both are ready in one batch; the first closes the second, whose number goes to a successor at once.
		var token loop.Token
		_, _ = l.Add(r1, handler(func(uint32) {
			l.Remove(r2, token)
			r3, _ := pipe(t)
			_, _ = l.Add(r3, handler(func(uint32) { t.Error("an event for the closed descriptor") }), loop.Socket)
			first <- struct{}{}
		}), loop.Socket)
		token, _ = l.Add(r2, handler(func(uint32) {}), loop.Socket)
		_, _ = unix.Write(w1, []byte("x"))
		_, _ = unix.Write(w2, []byte("x"))
	})
	<-first
	on(func() {})
}

func TestTimersOfAClassExpireInOrderAndStoppedOnesDoNot(t *testing.T) {
	l, on := run(t, nil, func(p any) { t.Error(p) })
	expired := make(chan int, 3)
	var timers [3]loop.Timer
	on(func() {
		class := l.NewClass(5 * time.Millisecond)
		never := l.NewClass(0)
		for i := range timers {
			class.Set(&timers[i], expirer(func(*loop.Class) { expired <- i }))
		}
		timers[1].Stop()
		class.Set(&timers[0], expirer(func(*loop.Class) { expired <- 0 })) // now the last
		never.Set(&timers[1], expirer(func(*loop.Class) { t.Error("a class of no duration expired") }))
	})
	if a, b := <-expired, <-expired; a != 2 || b != 0 {
		t.Fatalf("expired %d, then %d", a, b)
	}
}

func TestManyTimersThatExpireAtOnceLetEventsIn(t *testing.T) {
	l, on := run(t, nil, func(p any) { t.Error(p) })
	r, w := pipe(t)
	defer unix.Close(w)
	const all = 1000
	var timers [all]loop.Timer
	expired, done := 0, make(chan int, 1)
	on(func() {
		_, _ = l.Add(r, handler(func(uint32) { done <- expired }), loop.Socket)
		class := l.NewClass(5 * time.Millisecond)
		for i := range timers {
			class.Set(&timers[i], expirer(func(*loop.Class) {
				if expired++; expired == 1 {
					_, _ = unix.Write(w, []byte("x"))
				}
			}))
		}
	})
	if n := <-done; n >= all {
		t.Errorf("an event waited for %d timers", n)
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		n := 0
		if on(func() { n = expired }); n == all {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("only %d timers expired", n)
		}
	}
}

func TestOldestIsTheTimerThatWasSetFirst(t *testing.T) {
	l, on := run(t, nil, func(p any) { t.Error(p) })
	on(func() {
		class := l.NewClass(time.Hour)
		if class.Oldest() != nil {
			t.Error("an empty class has an oldest timer")
		}
		var timers [3]loop.Timer
		oldest := -1
		for i := range timers {
			class.Set(&timers[i], expirer(func(*loop.Class) { oldest = i }))
		}
		class.Set(&timers[0], expirer(func(*loop.Class) { oldest = 0 })) // now the youngest
		class.Oldest().Expired(class)
		if oldest != 1 {
			t.Errorf("the oldest is %d", oldest)
		}
	})
}

func TestChangedDurationCountsForTimersThatRun(t *testing.T) {
	l, on := run(t, nil, nil)
	expired := make(chan string, 4)
	named := func(name string) expirer { return func(*loop.Class) { expired <- name } }
	var first, second, stopped loop.Timer
	var class, other *loop.Class
	on(func() {
		class, other = l.NewClass(time.Hour), l.NewClass(time.Millisecond)
		class.Set(&first, named("first"))
		class.Set(&second, named("second"))
		other.Set(&stopped, named("stopped"))
		other.Change(0)
		other.Set(&stopped, named("stopped"))
		class.Change(10 * time.Millisecond)
	})
	if a, b := <-expired, <-expired; a != "first" || b != "second" {
		t.Errorf("%s, then %s", a, b)
	}
	on(func() {
		other.Change(time.Millisecond)
		other.Set(&stopped, named("set again"))
	})
	if name := <-expired; name != "set again" {
		t.Errorf("%s expired", name)
	}
}

func TestGarbageCollectionDoesNotWaitForABusyLoop(t *testing.T) {
	l, on := run(t, nil, func(p any) { t.Error(p) })
	r, w := pipe(t)
	defer unix.Close(w)
	var stop atomic.Bool
	on(func() {
		_, _ = l.Add(r, handler(func(uint32) { // always busy
			var b [8]byte
			_, _ = unix.Read(r, b[:])
			if !stop.Load() {
				_, _ = unix.Write(w, []byte("x"))
			}
		}), loop.Socket)
		_, _ = unix.Write(w, []byte("x"))
	})
	for range 20 {
		runtime.GC()
	}
	stop.Store(true)
}

func TestDateIsAnIMFFixdateOfNow(t *testing.T) {
	l, on := run(t, nil, func(p any) { t.Error(p) })
	var date string
	on(func() { date = string(l.Clock.Date()) })
	at, err := time.Parse("Mon, 02 Jan 2006 15:04:05 GMT", date)
	if err != nil || time.Since(at) > 5*time.Second || time.Since(at) < -time.Second {
		t.Fatalf("%q: %v", date, err)
	}
}

// idler counts how often it was asked.
type idler struct{ turns, sleeps, awakes atomic.Int64 }

func (i *idler) Turn(int)           { i.turns.Add(1) }
func (i *idler) Sleep() bool        { return i.sleeps.Add(1)%3 != 0 }
func (i *idler) Awake()             { i.awakes.Add(1) }
func (i *idler) Nap() time.Duration { return 0 }
func (i *idler) Pressing() bool     { return false }
func (i *idler) Expecting() bool    { return false }
func (i *idler) Rung() bool         { return false }

func TestIdlerIsAskedBeforeEachSleepAndToldAfter(t *testing.T) {
	i := &idler{}
	_, on := run(t, i, func(p any) { t.Error(p) })
	for range 50 {
		on(func() {})
	}
	if got := fmt.Sprint(i.turns.Load() > 40, i.sleeps.Load() > i.awakes.Load(), i.awakes.Load() > 20); got != "true true true" {
		t.Fatalf("%d turns, %d sleeps, %d awakes", i.turns.Load(), i.sleeps.Load(), i.awakes.Load())
	}
}

// expectant is an idler whose work comes the third time that it is asked for.
type expectant struct {
	idler
	asked, came atomic.Int64
}

func (e *expectant) Expecting() bool { return true }
func (e *expectant) Rung() bool {
	if e.asked.Add(1)%3 != 0 {
		return false
	}
	e.came.Add(1)
	return true
}

func TestExpectedWorkIsWaitedForAwakeAndDescriptorsAreServedBetween(t *testing.T) {
	if runtime.NumCPU() == 1 {
		t.Skip("one processor: no loop stays awake")
	}
	e := &expectant{}
	l, on := run(t, e, func(p any) { t.Error(p) })
	r, w := pipe(t)
	read := make(chan struct{}, 1)
	on(func() {
		if _, err := l.Add(r, handler(func(uint32) { read <- struct{}{} }), unix.EPOLLIN|unix.EPOLLET); err != nil {
			t.Error(err)
		}
	})
	before := e.came.Load()
	if _, err := unix.Write(w, []byte("x")); err != nil {
		t.Fatal(err)
	}
	<-read
	for deadline := time.Now().Add(time.Minute); e.came.Load() == before && time.Now().Before(deadline); {
		on(func() {})
	}
	if e.came.Load() == before {
		t.Fatal("a loop that expects work went to sleep every time")
	}
}
