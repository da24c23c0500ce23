package client

import (
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// EventKind is what happened to one blob or manifest.
type EventKind int

// The events of a transfer: Started, then any number of Moved and Retrying,
// then Done; or one of Exists and Mounted alone, when no bytes need to move.
const (
	Started EventKind = iota
	Moved
	Retrying
	Done
	Exists
	Mounted
)

// Event is one step of a transfer.
type Event struct {
	Kind EventKind
	Desc ocispec.Descriptor
	// Offset is how many bytes of Desc.Size are there.
	Offset int64
	// From is the repository a blob was mounted from.
	From string
	// Err and Wait say why a transfer is retried, and when.
	Err  error
	Wait time.Duration
}

// Progress is told of events; nil is told nothing. It is called from several
// goroutines at once and must not block for long.
type Progress func(Event)

func (p Progress) tell(e Event) {
	if p != nil {
		p(e)
	}
}
