package observe

import (
	"os"
	"testing"
	"time"
)

func TestOwnProcessIsSeenWithItsAgeAndMemory(t *testing.T) {
	p, err := LookAt(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if p.Age < 0 || p.Age > time.Hour || p.RSS < 1<<20 || p.RSS > 1<<34 || p.PSS < 1<<19 || p.PSS > p.RSS+1<<22 {
		t.Errorf("got %+v", p)
	}
	if _, err := LookAt(1 << 30); err == nil {
		t.Error("a process that is not there was seen")
	}
}

func TestNameOfAProcessDoesNotMoveItsFields(t *testing.T) {
	stat := "12 (a) b (c) S 1 1 1 0 -1 4194560 10 0 0 0 1 2 0 0 20 0 1 0 500 1000 7 18446744073709551615 1 1"
	if p, err := parseStat([]byte(stat), 4096); err != nil || p.Age != 5*time.Second || p.RSS != 7*4096 {
		t.Errorf("got %+v %v", p, err)
	}
	for _, short := range []string{"", "12 (a) S 1", "12 (a) S 1 1 1 0 -1 4194560 10 0 0 0 1 2 0 0 20 0 1 0 x 1000 7 18446744073709551615 1 1"} {
		if _, err := parseStat([]byte(short), 4096); err == nil {
			t.Errorf("%q was read", short)
		}
	}
}

func TestMachineHasSomeMemoryLeft(t *testing.T) {
	if n := Available(); n < 1<<20 || n > 1<<50 {
		t.Errorf("%d bytes", n)
	}
}
