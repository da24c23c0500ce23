package engine

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"cove/errdefs"
)

// TestEvents follows what is done with a volume and a network, and reads it again.
func TestEvents(t *testing.T) {
	t.Parallel()
	e, err := Open(Config{Root: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Events(EventOptions{Filter: map[string][]string{"colour": {"red"}}}); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("a filter that does not exist: %v", err)
	}
	live, err := e.Events(EventOptions{Filter: map[string][]string{"type": {"volume"}, "event": {"create", "destroy"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	for range 2 { // the second finds it
		if _, err := e.CreateVolume(t.Context(), "data", nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.parts.Volumes().Remove("data"); err != nil {
		t.Fatal(err)
	}
	past, err := e.Events(EventOptions{Until: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	defer past.Close()
	for _, want := range []string{"create", "destroy"} {
		for _, s := range []*EventStream{live, past} {
			got, err := s.Next(t.Context())
			if err != nil || got.Action != want || got.Type != "volume" || got.Actor.ID != "data" ||
				got.Scope != "local" || got.TimeNano/1e9 != got.Time || got.Status != "" {
				t.Errorf("%s: %+v, %v", want, got, err)
			}
		}
	}
	if _, err := past.Next(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := live.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nothing more happened: %v", err)
	}
}
