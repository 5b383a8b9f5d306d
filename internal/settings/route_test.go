package settings

import (
	"strings"
	"testing"
)

func TestRouteSaysWhatIsDifferentBelowItsPrefix(t *testing.T) {
	r, err := ParseRoute("/upload/  stream_request=on limit_request_body=5GB")
	if err != nil || r.Prefix != "/upload/" || r.StreamRequest == nil || !*r.StreamRequest || *r.LimitRequestBody != 5<<30 {
		t.Fatalf("%+v, %v", r, err)
	}
	r, err = ParseRoute("/x stream_request=off")
	if err != nil || *r.StreamRequest || r.LimitRequestBody != nil {
		t.Fatalf("%+v, %v", r, err)
	}
}

func TestBadRouteSaysWhatItCouldHave(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "not in range",
		"/x":                         "not in range",
		"upload stream_request=on":   "not in range",
		"/x stream_reqest=on":        "did you mean stream_request?",
		"/x colour=red":              "it may have limit_request_body, stream_request, timeout",
		"/x stream_request=maybe":    "it must be on or off",
		"/x stream_request":          "it must be on or off",
		"/x limit_request_body=-1":   "it must be a size",
		"/x limit_request_body=tiny": "it must be a size",
	} {
		if _, err := ParseRoute(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
