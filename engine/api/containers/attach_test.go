package containers

import (
	"testing"
	"time"
)

// TestAdmit: one who is taken from those who wait is among those who look at the same moment.
func TestAdmit(t *testing.T) {
	t.Parallel()
	var l lobby
	v := newVisitor(nil)
	l.enter("a", v)
	end, ok := l.admit("a", v)
	if !ok || !l.looking["a"][v] || len(l.waiting) != 0 {
		t.Errorf("%v: %v %v", ok, l.looking, l.waiting)
	}
	if _, twice := l.admit("a", v); twice {
		t.Error("it is taken twice")
	}
	if end(); len(l.looking) != 0 {
		t.Errorf("who looks: %v", l.looking)
	}
}

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
