package api_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"cove/engine/api"
)

// TestUntilIdle: requests in progress, and a while after the last, are not idle.
func TestUntilIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		ctx, h := api.UntilIdle(t.Context(), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/long" {
				time.Sleep(10 * time.Minute)
			}
		}), time.Minute)
		ask := func(path string) { h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil)) }
		go ask("/long")
		time.Sleep(5 * time.Minute)
		ask("/short")
		<-ctx.Done()
		if took := time.Since(begun); took != 11*time.Minute {
			t.Errorf("it ended after %v, want 11m", took)
		}
	})
}
