// Package progress is what happens to the bytes of images on their way: one kind
// of event for the client of registries, pulls, pushes and loads, and for
// whatever shows it.
package progress

import (
	"io"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/reference"
)

// Kind is what happened to one blob.
type Kind int

// The life of a layer in a pull is Waiting, Downloading, Downloaded,
// Extracting, Complete, or AlreadyExists alone; in a push Waiting, Pushing,
// Pushed, or AlreadyExists or Mounted alone; in a load Loading, Complete.
const (
	Waiting Kind = iota
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
	// Begun and Ended are around all that is told of one image that is pulled or
	// pushed: Ref is its name. At the end Desc is what that stands for at the
	// registry, or Err says why it failed.
	Begun
	Ended
)

// Event is one step of a transfer.
type Event struct {
	Kind Kind
	// Desc is the blob: a layer, mostly. Desc.Size is 0 when it is not known.
	Desc ocispec.Descriptor
	// Ref is the image, of Begun and Ended. Newer says at the end of a pull that the
	// name stands for something else than before, or is new here.
	Ref   reference.Reference
	Newer bool
	// Offset is how many of its bytes are done.
	Offset int64
	// From is the repository that a blob was mounted from.
	From string
	// Err and Wait say why a transfer is tried again, and when.
	Err  error
	Wait time.Duration
}

// Func is told of events; nil is told nothing. It is called from several
// goroutines at once and must not block for long.
type Func func(Event)

// Tell passes e on, if anyone listens.
func (p Func) Tell(e Event) {
	if p != nil {
		p(e)
	}
}

// Retries is f for nothing but Retrying: of a transfer of which somebody else tells how
// far it is.
func (f Func) Retries() Func {
	return func(e Event) {
		if e.Kind == Retrying {
			f.Tell(e)
		}
	}
}

// Reader tells how far the content of desc is, of which r has what follows the offset at.
func Reader(r io.Reader, kind Kind, desc ocispec.Descriptor, at int64, tell Func) io.Reader {
	return &reader{r, Event{Kind: kind, Desc: desc, Offset: at}, tell}
}

type reader struct {
	io.Reader
	e    Event
	tell Func
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if n > 0 {
		r.e.Offset += int64(n)
		r.tell.Tell(r.e)
	}
	return n, err
}
