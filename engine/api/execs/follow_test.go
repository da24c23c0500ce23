package execs

import (
	"testing"
	"time"

	"cove/engine"
	"cove/events"
)

// TestFollowWhatHasEnded has a process end before it is known that its client is gone,
// as on a busy machine.
func TestFollowWhatHasEnded(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	eng, err := engine.Open(engine.Config{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	e := &execution{id: "e1", container: "c1", made: time.Now(), started: true, running: true}
	for _, id := range []string{"another", e.id} {
		err := events.Of(root).Append(events.Event{
			Type: events.Container, Action: events.ExecDie, ID: e.container, Time: time.Now(),
			Attributes: map[string]string{"execID": id, "exitCode": "3"},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	Of(t.Context(), eng).follow(e)
	for end := time.Now().Add(20 * time.Second); e.isRunning(); {
		if time.Now().After(end) {
			t.Fatal("it is said to run for ever")
		}
		time.Sleep(time.Millisecond)
	}
	if e.code == nil || *e.code != 3 {
		t.Errorf("%v, want 3", e.code)
	}
}
