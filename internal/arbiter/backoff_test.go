//go:build linux

package arbiter

import (
	"slices"
	"testing"
	"time"
)

func TestThirdDeathInTenSecondsIsDelayed(t *testing.T) {
	for name, c := range map[string]struct{ at, want []float64 }{
		"two are free":               {[]float64{0, 1}, []float64{0, 0}},
		"the third waits":            {[]float64{0, 1, 2}, []float64{0, 0, 0.5}},
		"spread out, none waits":     {[]float64{0, 9, 18, 27}, []float64{0, 0, 0, 0}},
		"doubled up to thirty":       {[]float64{0, 0, 0, 1, 2, 4, 8, 16, 32, 62, 92}, []float64{0, 0, .5, 1, 2, 4, 8, 16, 30, 30, 30}},
		"a long life ends it":        {[]float64{0, 1, 2, 13}, []float64{0, 0, .5, 0}},
		"a life after a delay, too":  {[]float64{0, 1, 2, 3, 16}, []float64{0, 0, .5, 1, 0}},
		"a short life does not":      {[]float64{0, 1, 2, 12}, []float64{0, 0, .5, 1}},
		"the window moves with time": {[]float64{0, 6, 12, 14}, []float64{0, 0, 0, .5}},
	} {
		t.Run(name, func(t *testing.T) {
			var b backoff
			var got []float64
			for _, at := range c.at {
				got = append(got, b.died(time.Unix(0, 0).Add(time.Duration(at*float64(time.Second)))).Seconds())
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("deaths at %v are delayed %v, want %v", c.at, got, c.want)
			}
		})
	}
}
