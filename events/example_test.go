package events_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"cove/events"
)

// Whoever does something to a root tells its log; whoever wants to know reads it, also
// from the past.
func Example() {
	root, _ := os.MkdirTemp("", "root")
	defer os.RemoveAll(root)
	log := events.Of(root)
	log.Tell(
		events.Event{Type: events.Container, Action: events.Create, ID: "c1"},
		events.Event{Type: events.Container, Action: events.Start, ID: "c1", Attributes: map[string]string{"name": "web"}},
	)
	r, err := log.Read(events.Options{Until: time.Now().Add(time.Second)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	for range 2 {
		e, err := r.Next(context.Background())
		fmt.Println(e.Type, e.Action, e.ID, e.Attributes["name"], err)
	}
	// Output:
	// container create c1  <nil>
	// container start c1 web <nil>
}
