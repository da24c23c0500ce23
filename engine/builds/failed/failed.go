// Package failed is what can be done with a RUN whose command failed, while its files,
// its environment and its mounts are still there: look at them in a shell, or keep the
// files as an image.
package failed

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"cove/builder/command"
	"cove/builder/export"
	"cove/builder/plan"
	"cove/builder/secret"
	"cove/content"
	"cove/content/fsstore"
	"cove/images"
	"cove/layers"
	"cove/layers/diff"
	"cove/layers/mount"
	"cove/layers/snapshot"
	"cove/layers/snapshot/overlay"
)

// Terminal is what a shell is opened at.
type Terminal struct {
	In  io.Reader
	Out io.Writer
	// Sizes delivers the terminal's size, at first and whenever it changes.
	Sizes <-chan unix.Winsize
}

// Shell opens a shell where the command ran, and returns when it is left. How it ends
// says nothing.
func Shell(ctx context.Context, x command.Executor, f command.Failed, t Terminal) error {
	req := f.Request
	req.ID = "shell-" + strings.ToLower(rand.Text()[:12])
	req.Args = []string{ShellOf(f.Op.Args)}
	if !slices.ContainsFunc(req.Env, func(kv string) bool { return strings.HasPrefix(kv, "TERM=") }) {
		req.Env = append(slices.Clone(req.Env), "TERM=xterm")
	}
	req.Terminal, req.Stdin, req.Stdout, req.Stderr, req.Sizes = true, t.In, t.Out, t.Out, t.Sizes
	err := x.Exec(ctx, req)
	if exit := (*command.ExitError)(nil); err == nil || errors.As(err, &exit) {
		return nil
	}
	return fmt.Errorf("opening %s where the step failed: %w", req.Args[0], err)
}

// ShellOf is the shell that a command was run by, /bin/sh for one without.
func ShellOf(args []string) string {
	if len(args) > 1 && strings.HasSuffix(path.Base(args[0]), "sh") {
		return args[0]
	}
	return "/bin/sh"
}

// Engine is where an image of the files is kept.
type Engine interface {
	Content() (*fsstore.Store, error)
	Snapshots() (snapshot.Store, error)
	Images() (*images.Store, error)
	Now() time.Time
}

// Keep stores the files as an image without a name, on the step's base, that runs a
// shell with the step's environment, user and directory, and returns its id. What was
// mounted is not in it; files that hold a secret of the build are refused, and variables
// that are called like secrets left out. fetch makes sure of the blobs of the base, under
// a lease.
func Keep(
	ctx context.Context, e Engine, f command.Failed, fetch func(plan.Base, content.Lease) error,
) (digest.Digest, error) {
	store, err := e.Images()
	if err != nil {
		return "", err
	}
	in := keeper{fetch: fetch, now: e.Now().UTC().Truncate(time.Second)}
	if in.content, err = e.Content(); err != nil {
		return "", err
	}
	if in.snapshots, err = e.Snapshots(); err != nil {
		return "", err
	}
	if in.lease, err = in.content.Lease(ctx); err != nil {
		return "", err
	}
	defer func() { _ = in.lease.Release() }() // what it holds then goes with the process
	made, err := in.layer(ctx, f)
	if err != nil {
		return "", fmt.Errorf("keeping the files of the step that failed: %w", err)
	}
	hold := func(ctx context.Context, digests ...digest.Digest) error {
		refs := make([]string, len(digests))
		for i, d := range digests {
			refs[i] = d.String()
		}
		return in.lease.Add(ctx, refs...)
	}
	out, err := export.Store{Content: in.content}.Export(ctx,
		export.Build{Images: []export.Image{in.image(f, made)}, Hold: hold})
	if err != nil {
		return "", err
	}
	kept, err := store.Put(ctx, out.Target)
	return kept.ID, err
}

// keeper keeps the files of one step.
type keeper struct {
	content   content.Store
	snapshots snapshot.Snapshotter
	lease     content.Lease
	fetch     func(plan.Base, content.Lease) error
	now       time.Time
}

// layer packs what the files have over those of the base.
func (in keeper) layer(ctx context.Context, f command.Failed) (_ layers.Layer, err error) {
	after, err := overlay.Open(ctx, f.Request.Root)
	if err != nil {
		return layers.Layer{}, err
	}
	defer func() { err = errors.Join(err, after.Close()) }()
	m := mount.Mount{Type: "bind", Source: after.Dir()}
	if chain := chainOf(f.Base); chain != "" {
		if err := in.fetch(*f.Base, in.lease); err != nil {
			return layers.Layer{}, err
		}
		below, err := in.snapshots.Mounts(ctx, string(chain))
		if err != nil {
			return layers.Layer{}, err
		}
		before, err := overlay.Open(ctx, below)
		if err != nil {
			return layers.Layer{}, err
		}
		defer func() { err = errors.Join(err, before.Close()) }()
		m.Lower = []string{before.Dir()}
	}
	if f.Secrets.Searched() {
		scan := f.Secrets.Scanner()
		if _, err := diff.Write(ctx, scan, m, diff.Options{}); err != nil {
			return layers.Layer{}, err
		}
		if err := scan.Found(f.Vertex.Location.Instruction); err != nil {
			return layers.Layer{}, err
		}
	}
	made, err := diff.Commit(ctx, in.content, m, diff.Options{})
	if err == nil {
		err = in.lease.Add(ctx, made.Blob.Digest.String())
	}
	return made.Layer, err
}

func chainOf(base *plan.Base) layers.ChainID {
	if base == nil {
		return ""
	}
	ids := make([]layers.DiffID, len(base.Layers))
	for i, l := range base.Layers {
		ids[i] = l.DiffID
	}
	return layers.Chain(ids...)
}

// image is the base with one layer more.
func (in keeper) image(f command.Failed, made layers.Layer) export.Image {
	const step plan.ID = 0
	img := export.Image{Now: in.now, Made: func(plan.ID) (bool, time.Time) { return true, in.now }}
	img.Platform = f.Op.Platform
	if f.Base != nil {
		img.Base = *f.Base
		img.Layers = append(img.Layers, f.Base.Layers...)
		for _, h := range f.Base.Config.History {
			img.History = append(img.History, plan.History{History: h, Vertex: plan.None, Base: true})
		}
	}
	img.Layers = append(img.Layers, made)
	img.History = append(img.History, plan.History{Vertex: step, History: ocispec.History{
		CreatedBy: f.Vertex.Location.Instruction, Comment: "the files when this step had failed: " + f.Err.Error(),
	}})
	img.Config.Env = slices.DeleteFunc(slices.Clone(f.Op.Env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return secret.Named(name)
	})
	img.Config.WorkingDir, img.Config.User = f.Op.Cwd, f.Op.User
	img.Config.Cmd = []string{ShellOf(f.Op.Args)}
	return img
}
