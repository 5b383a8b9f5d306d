package observe

import (
	"regexp"
	"strings"
	"testing"
)

func TestEveryMetricIsDescribedUnderANameOfItsOwn(t *testing.T) {
	name := regexp.MustCompile(`^[a-z][a-z0-9_]*[a-z]$`)
	seen := map[string]bool{}
	for _, d := range Metrics() {
		if !name.MatchString(d.Name) || seen[d.Name] || d.Unit == "" || !strings.HasSuffix(d.Help, ".") {
			t.Errorf("%+v", d)
		}
		if (d.Kind == Counter) != strings.HasSuffix(d.Name, "_total") {
			t.Errorf("%s is a %s", d.Name, d.Kind)
		}
		seen[d.Name] = true
	}
	if len(seen) != int(metricCount) {
		t.Errorf("%d names for %d metrics", len(seen), metricCount)
	}
}

func TestRepliesOfTheServerAreCountedByTheirStatus(t *testing.T) {
	var v, sum Values
	for _, status := range []int{400, 408, 431, 500, 501, 502, 503, 503, 504, 505} {
		v.CountReply(status)
	}
	sum.Add(&v)
	sum.Add(&v)
	named := sum.ByName()
	for name, want := range map[string]uint64{"refused_4xx_total": 6, "replies_500_total": 2, "replies_502_total": 2,
		"replies_503_total": 4, "replies_504_total": 2, "requests_total": 0} {
		if named[name] != want {
			t.Errorf("%s is %d instead of %d", name, named[name], want)
		}
	}
}
