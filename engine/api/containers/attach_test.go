package containers

import (
	"testing"
	"time"
)

// TestDrain waits for those who look at the container, and for nobody else.
func TestDrain(t *testing.T) {
	t.Parallel()
	var l lobby
	l.drain(t.Context(), "a", time.Hour) // nobody looks
	v, other, stuck := newVisitor(nil), newVisitor(nil), newVisitor(nil)
	end := l.begin("a", v)
	defer l.begin("b", other)()
	drained := make(chan struct{})
	go func() {
		l.drain(t.Context(), "a", time.Hour)
		close(drained)
	}()
	select {
	case <-drained:
		t.Fatal("somebody looks at it yet")
	case <-time.After(50 * time.Millisecond):
	}
	v.leave()
	<-drained
	end()
	l.begin("a", stuck)
	l.drain(t.Context(), "a", time.Millisecond)
	if len(l.looking) != 2 || !l.looking["a"][stuck] {
		t.Errorf("who looks: %v", l.looking)
	}
}
