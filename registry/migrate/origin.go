package migrate

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/errdefs"
)

// Origin is where the storage of the other registry lies. Names have slashes between
// their components. What is not there is errdefs.ErrNotFound.
type Origin interface {
	// Name is what messages call it.
	Name() string
	// List names what is directly below a folder; names of folders end with a slash. A
	// folder that is not there has nothing.
	List(ctx context.Context, dir string) ([]string, error)
	// Marked names the folders directly below a folder that have a file of this name.
	Marked(ctx context.Context, dir, file string) ([]string, error)
	// Read reads a small file of at most so many bytes.
	Read(ctx context.Context, name string, most int64) ([]byte, error)
	// Open reads a file from its start.
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	Close() error
}

// Folder is an Origin on disk.
type Folder struct {
	root *os.Root
}

// OpenFolder opens the folder that has docker/registry/v2, or that one itself.
func OpenFolder(name string) (*Folder, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "opening the other registry's storage: %w", err)
	}
	return &Folder{root: root}, nil
}

// Name implements Origin.
func (f *Folder) Name() string { return f.root.Name() }

// Close implements Origin.
func (f *Folder) Close() error { return f.root.Close() }

// List implements Origin.
func (f *Folder) List(ctx context.Context, dir string) ([]string, error) {
	entries, err := fs.ReadDir(f.root.FS(), dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() {
			name += "/"
		}
		names = append(names, name)
	}
	return names, ctx.Err()
}

// Marked implements Origin.
func (f *Folder) Marked(ctx context.Context, dir, file string) ([]string, error) {
	entries, err := fs.ReadDir(f.root.FS(), dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if _, err := f.root.Stat(path.Join(dir, e.Name(), file)); err == nil {
			names = append(names, e.Name())
		}
	}
	return names, ctx.Err()
}

// Read implements Origin.
func (f *Folder) Read(ctx context.Context, name string, most int64) ([]byte, error) {
	r, err := f.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return readMost(r, most)
}

// readMost reads what is no larger than it may be.
func readMost(r io.Reader, most int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(b)) > most {
		err = errdefs.Errorf(errdefs.ErrInvalid, "it is larger than %d bytes", most)
	}
	return b, err
}

// Open implements Origin.
func (f *Folder) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	file, err := f.open(name)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{content.Until(ctx, file), file}, nil
}

func (f *Folder) open(name string) (*os.File, error) {
	file, err := f.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "%w", err)
	}
	return file, err
}

// Link has a store of the same file system give the files a second name.
func (f *Folder) Link(to content.Linker) Give {
	return func(ctx context.Context, name string, desc ocispec.Descriptor) error {
		file, err := f.open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		return to.Link(ctx, desc, file)
	}
}
