// Package apply puts a layer onto a directory, as it streams in.
//
// Onto the upper directory of an overlay, a whiteout becomes a 0:0 character
// device and an opaque directory an attribute; onto a merged directory both
// delete. The stream's diffID is computed on the way.
package apply

import (
	"context"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"cove/errdefs"
	"cove/layers"
	"cove/layers/archive"
	"cove/layers/mount"
	"cove/layers/stream"
	"cove/layers/whiteout"
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

// TargetOf returns the target that a snapshot's mount describes.
func TargetOf(m mount.Mount) Target {
	if m.Type != "overlay" {
		return Target{Dir: m.Source}
	}
	return Target{
		Dir:       m.Upper,
		Overlay:   true,
		UserXattr: slices.Contains(m.Options, "userxattr"),
		Lower:     func(context.Context) ([]string, error) { return m.Lower, nil },
	}
}

// Result tells what was applied.
type Result struct {
	// DiffID is the digest of the whole tar stream, up to its last byte.
	DiffID layers.DiffID
	// Bytes is the length of that stream, Entries how many entries it had, and
	// FileBytes how long the files in it are together.
	Bytes     int64
	Entries   int
	FileBytes int64
}

// Apply applies the uncompressed tar stream r and reads it to its end. What it
// leaves behind when it fails is for the caller to throw away. Errors are
// those of [archive.Extract].
func Apply(ctx context.Context, to Target, r io.Reader, opt archive.Options) (Result, error) {
	hash := stream.NewHash()
	x, err := extract(ctx, to, io.TeeReader(r, hash), opt)
	if err == nil {
		// What follows the archive's end belongs to the layer's digest.
		_, err = io.Copy(hash, r)
	}
	diffID := layers.DiffID(hash.Sum())
	if err != nil {
		return Result{}, err
	}
	return Result{DiffID: diffID, Bytes: hash.Size(), Entries: x.Entries(), FileBytes: x.FileBytes()}, nil
}

// Filled applies the layer that fill writes.
func Filled(ctx context.Context, to Target, fill func(*archive.Writer) error) (Result, error) {
	pr, pw := io.Pipe()
	filled := make(chan error, 1)
	go func() {
		w := archive.NewWriter(pw, archive.PackOptions{})
		err := fill(w)
		if err == nil {
			err = w.Close()
		}
		pw.CloseWithError(err)
		filled <- err
	}()
	res, err := Apply(ctx, to, pr, archive.Options{})
	pr.CloseWithError(errors.Join(err, io.ErrClosedPipe))
	if ferr := <-filled; ferr != nil && !errors.Is(ferr, io.ErrClosedPipe) {
		return Result{}, ferr
	}
	return res, err
}

// Verify is errdefs.ErrCorrupt, naming the layer, unless what was applied is
// the tar that the image's config names.
func Verify(got Result, want layers.Layer) error {
	if got.DiffID == want.DiffID {
		return nil
	}
	return errdefs.Errorf(errdefs.ErrCorrupt,
		"layer %s: its tar is %s, the image config says %s; nothing of it is kept",
		want.Blob.Digest, got.DiffID, want.DiffID)
}

// target is what differs between an upper and a merged directory.
type target interface {
	hooks() archive.Hooks
	// whiteout hides name, opaque everything, that lower layers have in the
	// directory where the extraction stands.
	whiteout(ctx context.Context, name string) error
	opaque(ctx context.Context) error
	// finish is called after the last entry.
	finish(ctx context.Context) error
	close()
}

// extract returns the extractor, which has counted what it did.
func extract(ctx context.Context, to Target, r io.Reader, opt archive.Options) (x *archive.Extractor, err error) {
	at := func() *archive.Extractor { return x }
	var t target = newMerged(at)
	if to.Overlay {
		t = &upper{to: to, x: at}
	}
	defer t.close()
	hooks := t.hooks()
	hooks.Special = func(ctx context.Context, name string) (bool, error) {
		return special(ctx, x, t, name)
	}
	if x, err = archive.NewExtractor(to.Dir, opt, hooks); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, x.Close()) }()
	if err := x.All(ctx, r); err != nil {
		return x, err
	}
	return x, t.finish(ctx)
}

// special deals with the entries that are whiteouts.
func special(ctx context.Context, x *archive.Extractor, t target, name string) (bool, error) {
	if !strings.Contains(name, whiteout.Prefix) {
		return false, nil
	}
	dir, base := path.Split(name)
	for comp := range strings.SplitSeq(dir, "/") {
		if strings.HasPrefix(comp, whiteout.Meta) {
			return true, nil
		}
		if strings.HasPrefix(comp, whiteout.Prefix) {
			return false, errdefs.Errorf(errdefs.ErrInvalid, "is inside a whiteout")
		}
	}
	hidden, opaque, meta, err := whiteout.Parse(base)
	if err != nil || meta {
		return meta, err
	}
	if hidden == "" && !opaque {
		return false, nil
	}
	if err := x.At().Enter(ctx, dir); err != nil {
		return false, err
	}
	x.At().Touch()
	if opaque {
		return true, t.opaque(ctx)
	}
	return true, t.whiteout(ctx, hidden)
}
