package settings

import (
	"reflect"
	"testing"
	"time"

	"speyside.dev/speyside/internal/accesslog"
)

func TestConditionsOfTheAccessLogAreRead(t *testing.T) {
	s := mustResolve(t, "app --access-log-only 4xx,5xx,404 --access-log-only slow=500ms,slow=2,big=1MB,empty")
	want := accesslog.Only{{Low: 400, High: 499}, {Low: 500, High: 599}, {Low: 404, High: 404}, {Slow: 500 * time.Millisecond}, {Slow: 2 * time.Second},
		{Big: 1 << 20}, {Empty: true}}
	if got := s.Logged(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if got := mustResolve(t, "app").Logged(); got != nil {
		t.Errorf("all requests are logged without one: %+v", got)
	}
}

func TestBadConditionSaysWhatIsAllowed(t *testing.T) {
	for _, bad := range []string{"6xx", "0xx", "xx", "xx5", "5xxx", "-5xx", "errors", "99", "600", "4xx=1", "slow", "slow=", "slow=0", "slow=-1s", "slow=fast", "slow=nan",
		"big", "big=0", "big=-1", "big=large", "empty=1", "empty=", "slow = 1s"} {
		_, err := resolveArgs([]string{"app", "--access-log-only", "5xx," + bad})
		want := `setting access_log_only is "5xx,` + bad + `" (from --access-log-only): it must be 4xx, 5xx or another class, a status such as 404, ` +
			`slow=TIME such as slow=500ms, big=SIZE such as big=1MB, or empty`
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
