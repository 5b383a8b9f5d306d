//go:build linux

package front

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestEachDroppedNameIsToldOnceAndTenAMinute(t *testing.T) {
	var out strings.Builder
	log := slog.New(slog.NewTextHandler(&out, nil))
	var d dropped
	for i := range 30 {
		d.tell(log, fmt.Sprintf("X_%d", i%15), 1)
	}
	if told := strings.Count(out.String(), "header dropped"); told < perMinute || told > 15 {
		t.Errorf("%d names of 15 were told", told)
	}
	if told := strings.Count(out.String(), "name=X_3 "); told != 1 {
		t.Errorf("one name was told %d times", told)
	}
	d.quota.minute-- // the next minute has come
	untold := d.quota.untold
	d.tell(log, "X_0", 1)
	if want := fmt.Sprintf("more=%d", untold); untold > 0 && !strings.Contains(out.String(), want) {
		t.Errorf("%s is not told:\n%s", want, out.String())
	}
}

func TestNamesThatClientsThinkOfAreNotKeptForEver(t *testing.T) {
	var d dropped
	for i := range 5 * droppedKnown {
		d.quota.told = 0
		d.tell(slog.New(slog.DiscardHandler), fmt.Sprint(i), 1)
	}
	if len(d.known) > droppedKnown {
		t.Errorf("%d names are kept", len(d.known))
	}
}
