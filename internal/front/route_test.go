//go:build linux

package front

import "testing"

func TestLongestPrefixOfThePathAsTheApplicationSeesItCounts(t *testing.T) {
	r := newRoutes("/shop", []Route{{Prefix: "/up"}, {Prefix: "/upload/"}, {Prefix: "/caf\xc3\xa9"}}, Route{})
	for path, want := range map[string]string{
		"/upload/x": "/upload/", "/upload": "/up", "/shop/upload/x": "/upload/", "/": "", "/other": "", "/shop": "", "/shopping": "",
		"/caf%C3%A9/1": "/caf\xc3\xa9", "/%75pload%2Fx": "/upload/", "/up%zz": "/up", "/%": "", "/u%7": "",
	} {
		if got := r.find([]byte(path), true, r.root).Prefix; got != want {
			t.Errorf("%s has the route %q instead of %q", path, got, want)
		}
	}
}
