package progress

import (
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"cove/distribution/progress"
	"cove/reference"
)

// Pull shows a pull in docker's words, from Begin to End. Nothing is
// shown of one that has not begun: a container whose image is here has none.
type Pull struct {
	out io.Writer
	ref reference.Reference
	t   *Transfer
}

// NewPull shows on out.
func NewPull(out io.Writer) *Pull { return &Pull{out: out} }

// Begin says what is pulled.
func (p *Pull) Begin(ref reference.Reference) {
	p.ref = ref
	repository := ref.Repository
	if ref.Registry != reference.DefaultRegistry {
		repository = ref.FamiliarName()
	}
	fmt.Fprintf(p.out, "%s: Pulling from %s\n", ref.Object(), repository)
	p.t = NewTransfer(ScreenOf(p.out))
}

// Event takes one step; it is a progress.Func.
func (p *Pull) Event(e progress.Event) {
	if p.t != nil {
		p.t.Event(e)
	}
}

// End says what came of it; a failure is the caller's to tell.
func (p *Pull) End(dgst digest.Digest, newer bool, err error) {
	p.t.Close()
	if p.t = nil; err != nil {
		return
	}
	status := "Image is up to date for "
	if newer {
		status = "Downloaded newer image for "
	}
	fmt.Fprintf(p.out, "Digest: %s\nStatus: %s%s\n", dgst, status, p.ref.Familiar())
}
