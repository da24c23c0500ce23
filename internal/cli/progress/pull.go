package progress

import (
	"fmt"
	"io"

	"cove/distribution/progress"
)

// Images shows pulls or pushes in docker's words. Nothing is shown of an image
// that is not moved: a container whose image is here has no pull.
type Images struct {
	out  io.Writer
	push bool
	t    *Transfer // of the image that is under way
}

// NewPull shows pulls on out.
func NewPull(out io.Writer) *Images { return &Images{out: out} }

// NewPush shows pushes on out.
func NewPush(out io.Writer) *Images { return &Images{out: out, push: true} }

// Event takes one step; it is a progress.Func.
func (p *Images) Event(e progress.Event) {
	switch {
	case e.Kind == progress.Begun:
		p.begin(e)
	case p.t == nil: // layers of an image that was here
	case e.Kind == progress.Ended:
		p.t.Close()
		p.t = nil
		p.end(e)
	default:
		p.t.Event(e)
	}
}

// begin says what is moved.
func (p *Images) begin(e progress.Event) {
	if p.push {
		fmt.Fprintf(p.out, "The push refers to repository [%s]\n", e.Ref.Name())
	} else {
		// Without the registry, as docker has it: the end names the image whole.
		fmt.Fprintf(p.out, "%s: Pulling from %s\n", e.Ref.Object(), e.Ref.Repository)
	}
	p.t = NewTransfer(ScreenOf(p.out))
	p.t.Push = p.push
}

// end says what came of a pull; a failure, and what was pushed, is the caller's to
// tell.
func (p *Images) end(e progress.Event) {
	if p.push || e.Err != nil {
		return
	}
	status := "Image is up to date for "
	if e.Newer {
		status = "Downloaded newer image for "
	}
	fmt.Fprintf(p.out, "Digest: %s\nStatus: %s%s\n", e.Desc.Digest, status, e.Ref.Familiar())
}
