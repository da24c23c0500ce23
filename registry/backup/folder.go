package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/fsstore"
	"cove/errdefs"
	"cove/internal/atomicfile"
)

// folder is a backup as a folder, which tools may look into.
type folder struct {
	name    string
	root    *os.Root
	content *fsstore.Store
	staged  string // the copy of the database, until it counts
}

// kept are the folders and files of a registry's root that a backup has, beside
// database and content.
var kept = []string{"keys", "tls", "admin-password"}

// ToFolder begins a backup in a folder, which is empty or holds an older one.
func ToFolder(name string) (Target, error) {
	if err := os.MkdirAll(name, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return newFolder(name)
	}
	_, begun := os.Stat(filepath.Join(name, begunName))
	_, layout := os.Stat(filepath.Join(name, contentName, "oci-layout"))
	_, records := os.Stat(filepath.Join(name, "content", "records")) // a registry's own root
	if begun != nil && layout != nil || records == nil {
		return nil, errdefs.Errorf(errdefs.ErrConflict, "%s is neither empty nor a backup; name another folder", name)
	}
	return begin(name)
}

// begunName marks a folder in which the first backup begins: one that was cut off
// before there was anything is known by it.
const begunName = "backup.begun"

func newFolder(name string) (*folder, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	err = atomicfile.Write(root, begunName, nil, 0o600, atomicfile.Durable)
	if err := errors.Join(err, root.Close()); err != nil {
		return nil, err
	}
	return begin(name)
}

func begin(name string) (*folder, error) {
	f, err := openFolder(name)
	if err != nil {
		return nil, err
	}
	if err := f.root.Remove(begunName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func openFolder(name string) (*folder, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	store, err := fsstore.Open(filepath.Join(name, contentName), fsstore.Options{})
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &folder{name: name, root: root, content: store}, nil
}

const stagedName = "registry.db.new"

// Database implements Target. It counts with the summary.
func (f *folder) Database(name string) error {
	f.staged = stagedName
	return copyFile(name, f.root, stagedName)
}

func copyFile(from string, root *os.Root, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer closeBoth(&err, in)
	return atomicfile.Replace(root, to, 0o600, atomicfile.Durable, func(w io.Writer) error {
		_, err := io.Copy(w, in)
		return err
	})
}

// Files implements Target.
func (f *folder) Files(all []File) error { return WriteFiles(f.root, all) }

// WriteFiles puts small files below a root.
func WriteFiles(root *os.Root, all []File) error {
	for _, file := range all {
		if dir := path.Dir(file.Name); dir != "." {
			perm := fs.FileMode(0o700)
			if file.Mode&0o044 != 0 {
				perm = 0o755
			}
			if err := root.MkdirAll(dir, perm); err != nil {
				return err
			}
		}
		err := atomicfile.Write(root, file.Name, file.Data, fs.FileMode(file.Mode).Perm(), atomicfile.Durable)
		if err != nil {
			return err
		}
	}
	return nil
}

// FilesOf reads the small files of a registry's root that belong to a backup.
func FilesOf(root *os.Root) (all []File, err error) {
	for _, top := range kept {
		err := fs.WalkDir(root.FS(), top, func(name string, e fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist) && name == top:
				return nil
			case err != nil || !e.Type().IsRegular() || atomicfile.IsTemp(name):
				return err
			}
			info, err := e.Info()
			if err != nil {
				return err
			}
			data, err := root.ReadFile(name)
			all = append(all, File{Name: name, Mode: uint32(info.Mode().Perm()), Data: data})
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Has implements Target: what an earlier backup has copied.
func (f *folder) Has(ctx context.Context, desc ocispec.Descriptor) bool {
	info, err := f.content.Stat(ctx, desc.Digest)
	return err == nil && info.Size == desc.Size
}

// Blob implements Target.
func (f *folder) Blob(ctx context.Context, desc ocispec.Descriptor, r io.Reader) error {
	return content.WriteBlob(ctx, f.content, desc, r)
}

// OnePass implements Target.
func (f *folder) OnePass() bool { return false }

// Finish implements Target. What an older backup had and this one has not goes
// after this one counts.
func (f *folder) Finish(ctx context.Context, s Summary, keep func(digest.Digest) (bool, error)) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := f.root.Rename(f.staged, databaseName); err != nil {
		return err
	}
	f.staged = ""
	if err := atomicfile.Write(f.root, summaryName, append(b, '\n'), 0o600, atomicfile.Durable); err != nil {
		return err
	}
	var old []digest.Digest
	for info, err := range f.content.All(ctx) {
		if err != nil {
			return err
		}
		wanted, err := keep(info.Digest)
		if err != nil {
			return err
		}
		if !wanted {
			old = append(old, info.Digest)
		}
	}
	for _, dgst := range old {
		if err := f.content.Delete(ctx, dgst); err != nil {
			return fmt.Errorf("removing what an older backup had: %w", err)
		}
	}
	return nil
}

// Close implements Target and Reader.
func (f *folder) Close() error {
	var err error
	if f.staged != "" {
		if err = f.root.Remove(f.staged); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	return errors.Join(err, f.content.Close(), f.root.Close())
}

// FromFolder opens a backup that is a folder.
func FromFolder(name string) (Reader, error) {
	if _, err := os.Stat(filepath.Join(name, summaryName)); err != nil {
		return nil, errors.Join(incomplete(name), err)
	}
	f, err := openFolder(name)
	if err != nil {
		return nil, err
	}
	return folderReader{f}, nil
}

type folderReader struct{ *folder }

// Database implements Reader.
func (f folderReader) Database(_ context.Context, name string) (err error) {
	in, err := f.root.Open(databaseName)
	if err != nil {
		return err
	}
	defer closeBoth(&err, in)
	return writeNew(name, in)
}

func writeNew(name string, r io.Reader) error {
	out, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, r)
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

// Rest implements Reader.
func (f folderReader) Rest(
	ctx context.Context, file func(File) error, blob TakeBlob,
) (Summary, error) {
	b, err := f.root.ReadFile(summaryName)
	if err != nil {
		return Summary{}, err
	}
	summary, err := parseSummary(b)
	if err != nil {
		return summary, err
	}
	small, err := FilesOf(f.root)
	if err != nil {
		return summary, err
	}
	for _, s := range small {
		if err := file(s); err != nil {
			return summary, err
		}
	}
	for info, err := range f.content.All(ctx) {
		if err != nil {
			return summary, err
		}
		if err := f.blob(ctx, ocispec.Descriptor{Digest: info.Digest, Size: info.Size}, blob); err != nil {
			return summary, err
		}
	}
	return summary, nil
}

func (f folderReader) blob(ctx context.Context, desc ocispec.Descriptor, blob TakeBlob) (err error) {
	r, err := f.content.Open(ctx, desc)
	if err != nil {
		return err
	}
	defer closeBoth(&err, r)
	return blob(desc, content.Verify(content.NewReader(r), desc))
}
