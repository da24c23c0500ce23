// Package apply puts a layer onto a directory, as it streams in.
//
// Onto the upper directory of an overlay, a whiteout becomes a 0:0 character
// device and an opaque directory an attribute; onto a merged directory both
// delete. The stream's diffID is computed on the way.
package apply

import (
	"context"
	"io"

	"cove/errdefs"
	"cove/layers"
	"cove/layers/archive"
	"cove/layers/mount"
)

// Target is where a layer goes.
type Target struct {
	// Dir is the directory written to.
	Dir string
	// Overlay says that Dir is the upper directory of an overlay; otherwise it
	// holds the merged tree of all layers below.
	Overlay bool
	// UserXattr writes user.overlay.* instead of trusted.overlay.*, for an
	// overlay that is mounted with userxattr.
	UserXattr bool
	// Lower returns the directories below an overlay's upper, topmost first.
	// It is called at most once, and only by a layer that leaves out a parent
	// directory or links to a file below; it may wait until they are complete.
	// nil means that nothing is below.
	Lower func(ctx context.Context) ([]string, error)
}

// Result tells what was applied.
type Result struct {
	// DiffID is the digest of the whole tar stream, up to its last byte.
	DiffID layers.DiffID
	// Bytes is the length of that stream, Entries how many entries it had.
	Bytes   int64
	Entries int
}

// TargetOf returns the target that a snapshot's mount describes.
func TargetOf(m mount.Mount) Target {
	if m.Type != "overlay" {
		return Target{Dir: m.Source}
	}
	lower := m.Lower
	return Target{
		Dir: m.Upper, Overlay: true,
		Lower: func(context.Context) ([]string, error) { return lower, nil },
	}
}

// Apply applies the uncompressed tar stream r. What it leaves behind when it
// fails is for the caller to throw away.
func Apply(ctx context.Context, to Target, r io.Reader, opt archive.Options) (Result, error) {
	return Result{}, errdefs.Errorf(errdefs.ErrUnsupported, "apply: not wired yet")
}

// Verify is errdefs.ErrCorrupt, naming the layer, unless what was applied is
// the tar that the image's config names.
func Verify(got Result, want layers.Layer) error {
	if got.DiffID == want.DiffID {
		return nil
	}
	return errdefs.Errorf(errdefs.ErrCorrupt, "layer %s: its tar is %s, the image config says %s; nothing was kept: pull again",
		want.Blob.Digest, got.DiffID, want.DiffID)
}
