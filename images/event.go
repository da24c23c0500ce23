package images

import (
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// EventKind is what happened to one blob.
type EventKind int

// The life of a layer in a pull is Waiting, Downloading, Downloaded,
// Extracting, Complete, or AlreadyExists alone; in a push Waiting, Pushing,
// Pushed, or AlreadyExists or Mounted alone; in a load Loading, Complete.
const (
	Waiting EventKind = iota
	Downloading
	Downloaded
	Extracting
	Complete
	AlreadyExists
	Pushing
	Pushed
	Mounted
	Loading
	Retrying
	// Resolved comes once, first: Desc is what the name stands for at the
	// registry.
	Resolved
)

// Event is one step of a pull, push or load.
type Event struct {
	Kind EventKind
	// Desc is the blob: a layer, mostly. Desc.Size is 0 when it is not known.
	Desc ocispec.Descriptor
	// Offset is how many of its bytes are done.
	Offset int64
	// From is the repository that a blob was mounted from.
	From string
	// Err and Wait say why a transfer is tried again, and when.
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
