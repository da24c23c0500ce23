// Package snapshot is the contract of a stack of directories.
//
// A snapshot is active (writable, made by Prepare), a view (read-only, made by
// View) or committed (immutable, usable as a parent). Keys are chosen by the
// caller; a committed snapshot of an image layer is named by its chainID, so
// that two images which share lower layers share their directories.
//
// A life, in the words of a build:
//
//	m, _ := s.Prepare(ctx, "build/7f3a", parentChainID) // writable on top of the parent
//	…                                                   // run a command on m
//	s.Commit(ctx, chainID, "build/7f3a")                // now immutable, under its chainID
//
// and of a container:
//
//	m, _ := s.Prepare(ctx, "container/"+id, topChainID)
//	…
//	s.Remove(ctx, "container/"+id)
//
// Snapshots are derived from blobs: losing one costs time, never data.
// Implementations: overlay, and native (plain copies) where overlay cannot be
// mounted. Both pass snapshottest.
package snapshot

import (
	"context"
	"iter"

	"cove/layers/mount"
	"cove/layers/tree"
)

// Kind is what state a snapshot is in.
type Kind string

// The kinds of snapshot.
const (
	Active    Kind = "active"
	View      Kind = "view"
	Committed Kind = "committed"
)

// Info describes one snapshot.
type Info struct {
	Key    string
	Parent string // key of the committed snapshot below, "" for the first
	Kind   Kind
}

// Snapshotter keeps snapshots. It is safe for concurrent use, by several
// processes on one root too. Unknown keys and parents are errdefs.ErrNotFound,
// keys in use errdefs.ErrExists, removing a parent of another snapshot
// errdefs.ErrConflict.
type Snapshotter interface {
	// Prepare makes an active snapshot on top of parent ("" for an empty one).
	// Nothing is mounted: the caller mounts what it gets, or writes to the
	// Upper of an overlay itself.
	Prepare(ctx context.Context, key, parent string) (mount.Mount, error)
	// View makes a read-only snapshot of parent.
	View(ctx context.Context, key, parent string) (mount.Mount, error)
	// Commit turns the active snapshot key into a committed one called name.
	// If name exists already, the active one is dropped and the error is
	// errdefs.ErrExists, which callers of content-addressed names ignore.
	Commit(ctx context.Context, name, key string) error
	// Mounts returns the mount of an active snapshot or a view again, and for
	// a committed one a read-only mount of it.
	Mounts(ctx context.Context, key string) (mount.Mount, error)
	// Remove deletes a snapshot and its files.
	Remove(ctx context.Context, key string) error
	Finder
	Sizer
}

// Finder says which snapshots there are.
type Finder interface {
	// Stat describes a snapshot.
	Stat(ctx context.Context, key string) (Info, error)
	// All visits every snapshot.
	All(ctx context.Context) iter.Seq2[Info, error]
}

// Sizer remembers how many bytes the files of a layer have together: those of its own
// change alone, each link to a file but the first for nothing. Whoever reads or writes
// the layer's tar knows, and nobody measures a tree to learn it.
type Sizer interface {
	// SetSize notes the size of what the committed key names, whether or not that is
	// a snapshot yet: the layer may be packed only.
	SetSize(ctx context.Context, key string, bytes int64) error
	// Size is what SetSize was told, or errdefs.ErrNotFound.
	Size(ctx context.Context, key string) (int64, error)
	// Sizes visits the keys that have a size; DropSize forgets one.
	Sizes(ctx context.Context) iter.Seq2[string, error]
	DropSize(ctx context.Context, key string) error
}

// Usage is what a snapshot takes on disk.
type Usage = tree.Usage

// Keeper looks after a root of snapshots as a whole.
type Keeper interface {
	// Usage is what the snapshot itself takes, without its parents.
	Usage(ctx context.Context, key string) (Usage, error)
	// Clean removes files that no key refers to, as a kill leaves them. It may
	// run while other processes use the store. It knows nothing of keys that
	// nobody needs any more: those are the caller's to Remove.
	Clean(ctx context.Context) error
	// Sync makes everything written to the store so far durable.
	Sync() error
}

// Store is a root of snapshots: what whoever opens one gets.
type Store interface {
	Snapshotter
	Keeper
}

// Rebaser is a Snapshotter whose active snapshots hold only their own change,
// so that one can be filled first and be told what is below it later.
type Rebaser interface {
	// CommitOnto is Commit of an active snapshot that was prepared without a
	// parent, onto parent.
	CommitOnto(ctx context.Context, name, key, parent string) error
}

// Change describes a committed snapshot as the active one that it was, on its parent ("" for
// none): what it changed can be read from that.
func Change(ctx context.Context, s Snapshotter, key, parent string) (mount.Mount, error) {
	m, err := s.Mounts(ctx, key)
	if err != nil {
		return m, err
	}
	m.ReadOnly = false
	if m.Type == "overlay" {
		m.Upper, m.Lower = m.Lower[0], m.Lower[1:]
		return m, nil
	}
	if parent != "" {
		below, err := s.Mounts(ctx, parent)
		if err != nil {
			return m, err
		}
		m.Lower = []string{below.Source}
	}
	return m, nil
}
