package observe

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAccessLogHoldsNoSecrets(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	h := New().Requests(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusTeapot) }),
		slog.New(slog.NewTextHandler(&log, nil)), true)
	r := httptest.NewRequest("GET", "/v2/team/app/tags/list?password=canary1", nil)
	r.SetBasicAuth("canary2", "canary3")
	r.Header.Set("Cookie", "canary4")
	h.ServeHTTP(httptest.NewRecorder(), r)
	if strings.Contains(log.String(), "canary") {
		t.Errorf("the log holds a secret: %s", &log)
	}
	for _, want := range []string{"method=GET", "path=/v2/team/app/tags/list", "status=418", "bytes=3"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s: %s", want, &log)
		}
	}
}

// TestAnswersThatAreCutAreLogged panics as the protocol's handler does when
// stored bytes turn out wrong halfway.
func TestAnswersThatAreCutAreLogged(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	h := New().Requests(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
		slog.New(slog.NewTextHandler(&log, nil)), true)
	func() {
		defer func() { _ = recover() }() // net/http's part
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/v2/x", nil))
	}()
	if !strings.Contains(log.String(), "path=/v2/x") {
		t.Errorf("not logged: %q", &log)
	}
}
