package export

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/platforms"
	"cove/layers/archive"
	"cove/layers/snapshot"
	"cove/layers/snapshot/overlay"
	"cove/layers/tree"
)

// Tar exports the files of the image as a tar archive.
type Tar struct {
	// Write calls its argument once with what takes the archive.
	Write func(write func(io.Writer) error) error
	// Split says whether the files of each image are below a directory that is
	// called after its platform, as linux_amd64; nil is where there are several.
	Split *bool
}

// Name implements Exporter.
func (Tar) Name() string { return "exporting to tarball" }

// Needs implements Exporter.
func (Tar) Needs() Needs { return Needs{Files: true} }

// Export implements Exporter.
func (t Tar) Export(ctx context.Context, b Build) (Exported, error) {
	return Exported{}, t.Write(func(w io.Writer) error { return writeTar(ctx, w, b, t.Split) })
}

// Directory exports the files of the image into a directory, whose other files
// stay. They become those of whoever builds; devices, and attributes that only
// root may set, are left out.
type Directory struct {
	Dir   string
	Split *bool // as in Tar
}

// Name implements Exporter.
func (Directory) Name() string { return "exporting to directory" }

// Needs implements Exporter.
func (Directory) Needs() Needs { return Needs{Files: true} }

// Export implements Exporter.
func (d Directory) Export(ctx context.Context, b Build) (Exported, error) {
	return Exported{}, Unpack(ctx, d.Dir, func(w io.Writer) error { return writeTar(ctx, w, b, d.Split) })
}

// Unpack makes the directory and puts into it what an archive holds.
func Unpack(ctx context.Context, dir string, write func(io.Writer) error) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "%w", err)
	}
	pr, pw := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := write(pw)
		pw.CloseWithError(err)
		written <- err
	}()
	err := archive.Extract(ctx, dir, pr, archive.Options{Unprivileged: true})
	pr.CloseWithError(errors.Join(err, io.ErrClosedPipe))
	if writeErr := <-written; writeErr != nil && !errors.Is(writeErr, io.ErrClosedPipe) {
		return writeErr
	}
	return err
}

// writeTar writes the files of all images as one archive.
func writeTar(ctx context.Context, w io.Writer, b Build, split *bool) (err error) {
	several := len(b.Images) > 1
	if split != nil && !*split && several {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"the files of %d platforms would replace each other: each needs a directory of its own", len(b.Images))
	}
	opt := archive.PackOptions{}
	if b.Images[0].Epoch != nil {
		opt.SourceDate = *b.Images[0].Epoch
	}
	tw := archive.NewWriter(w, opt)
	// All stay open to the end: the writer tells hard links by device and inode,
	// and the number of a device that is gone may be given again.
	var opened []Files
	defer func() {
		for _, f := range opened {
			err = errors.Join(err, f.Close())
		}
	}()
	for _, img := range b.Images {
		files, err := img.Open(ctx)
		if err != nil {
			return err
		}
		opened = append(opened, files)
		below := ""
		if several || split != nil && *split {
			below = strings.ReplaceAll(platforms.Format(img.Platform), "/", "_")
		}
		if err := addFiles(ctx, tw, files.Dir(), below); err != nil {
			return err
		}
	}
	return tw.Close()
}

// addFiles writes the files of a directory below a name; "" is the top.
func addFiles(ctx context.Context, tw *archive.Writer, dir, below string) error {
	if dir == "" {
		return nil
	}
	fd, err := tree.Open(dir)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if below != "" {
		return tw.Tree(ctx, fd, ".", below)
	}
	names, err := tree.Names(fd)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "reading the files of the image: %w", err)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := tw.Tree(ctx, fd, name, name); err != nil {
			return err
		}
	}
	return nil
}

// OpenFiles shows the files of a snapshot; "" is an empty one.
func OpenFiles(ctx context.Context, snaps snapshot.Snapshotter, chain string) (Files, error) {
	if chain == "" {
		return noFiles{}, nil
	}
	m, err := snaps.Mounts(ctx, chain)
	if err != nil {
		return nil, err
	}
	return overlay.Open(ctx, m)
}

// noFiles are the files of an empty image.
type noFiles struct{}

func (noFiles) Dir() string  { return "" }
func (noFiles) Close() error { return nil }
