package standing

import (
	"net/http"
	"testing"
	"time"
)

// TestAllowance reads what Docker Hub sends, what the draft has, and what is neither.
func TestAllowance(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	for _, row := range []struct {
		path, limit, remaining string
		want                   Allowance
	}{
		{"/v2/a/manifests/b", "100;w=21600", "76;w=21600", Allowance{76, 100, 6 * time.Hour, now}},
		{"/v2/a/manifests/b", "", "0;w=60", Allowance{0, 0, time.Minute, now}},
		{"/v2/", "10", "9", Allowance{9, 10, 0, now}},
		{"/v2/", "x", " 9 ; W=1; w=5", Allowance{9, 0, 5 * time.Second, now}},
		{"/token", "100;w=21600", "76;w=21600", Allowance{}},
		{"/v2/", "100", "", Allowance{}},
		{"/v2/", "100", "-1", Allowance{}},
		{"/v2/", "100", "1e9", Allowance{}},
		{"/v2/", "1", "1;w=-5;w=99999999999999;w=x;w", Allowance{1, 1, 0, now}},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://x"+row.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		var s Standing
		s.Heard(now, &http.Response{Request: req, Header: http.Header{"Ratelimit-Limit": {row.limit}, "Ratelimit-Remaining": {row.remaining}}})
		if got := s.State().Allowance; got != row.want {
			t.Errorf("%+v: %+v", row, got)
		}
	}
}

// TestAllowancesOfOneHost: the one that has less left counts.
func TestAllowancesOfOneHost(t *testing.T) {
	t.Parallel()
	var s Summary
	for _, a := range []Allowance{{Remaining: 5, At: time.Unix(1, 0)}, {Remaining: 3, At: time.Unix(1, 0)}, {Remaining: 9, At: time.Unix(1, 0)}, {}} {
		s.Allow("docker.io", a)
	}
	if len(s.Allowances) != 1 || s.Allowances["docker.io"].Remaining != 3 {
		t.Errorf("%+v", s.Allowances)
	}
}
