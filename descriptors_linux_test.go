package speyside

import "testing"

func TestConnectionsFitTheLimitOnDescriptors(t *testing.T) {
	for _, c := range []struct {
		limit        uint64
		wanted, most int
	}{{1 << 40, 10_000, 10_000}, {10_070, 10_000, 10_000}, {10_069, 10_000, 9_999}, {1024, 10_000, 954}, {100, 10_000, 50},
		{100, 20, 20}, {1, 10_000, 1}} {
		if most, need := fitting(c.limit, c.wanted, 70); most != c.most || need != c.wanted+70 {
			t.Errorf("%d of %d descriptors: %d, needing %d; want %d", c.wanted, c.limit, most, need, c.most)
		}
	}
}
