package buildkit

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestJobs(t *testing.T) {
	t.Parallel()
	var js jobs
	cancel := func() {}
	late := make(chan error, 1)
	go func() {
		_, err := js.get(context.Background(), "ref") // comes before its Solve
		late <- err
	}()
	j, err := js.begin("ref", "session", cancel)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-late; err != nil {
		t.Error(err)
	}
	if _, err := js.begin("ref", "session", cancel); err == nil {
		t.Error("one reference twice")
	}
	if _, err := j.result("none"); err == nil {
		t.Error("a result that was never solved")
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := js.get(ctx, "other"); err == nil || !strings.Contains(err.Error(), "no such build: other") {
		t.Error(err)
	}
	if err := j.status.Follow(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a follower that went away: %v", err)
	}
	js.end(j)
	if _, err := js.get(t.Context(), "ref"); err != nil {
		t.Errorf("shortly after the end: %v", err)
	}
}
