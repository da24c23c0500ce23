package backup

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/errdefs"
)

// archive is a backup as a tar, written in one pass.
type archive struct {
	tar   *tar.Writer
	made  time.Time
	file  *os.File // nil: somebody else's stream
	name  string   // what the file is called once it counts
	ended bool
}

// ToStream begins a backup that is written as a tar.
func ToStream(w io.Writer) Target { return &archive{tar: tar.NewWriter(w), made: time.Now()} }

// partSuffix is that of an archive until it is whole.
const partSuffix = ".part"

// ToArchive begins a backup that is a tar file, which appears when it is whole.
func ToArchive(name string) (Target, error) {
	f, err := os.OpenFile(name+partSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	return &archive{tar: tar.NewWriter(f), file: f, name: name, made: time.Now()}, nil
}

func (a *archive) put(name string, mode uint32, size int64, r io.Reader) error {
	err := a.tar.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: name, Size: size, Mode: int64(mode), ModTime: a.made, Format: tar.FormatPAX,
	})
	if err == nil {
		_, err = io.Copy(a.tar, r)
	}
	return err
}

// Database implements Target.
func (a *archive) Database(name string) (err error) {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer closeBoth(&err, f)
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return a.put(databaseName, 0o600, info.Size(), f)
}

// Files implements Target.
func (a *archive) Files(all []File) error {
	for _, f := range all {
		if err := a.put(f.Name, f.Mode, int64(len(f.Data)), strings.NewReader(string(f.Data))); err != nil {
			return err
		}
	}
	return nil
}

// Has implements Target: an archive begins empty.
func (a *archive) Has(context.Context, ocispec.Descriptor) bool { return false }

// OnePass implements Target.
func (a *archive) OnePass() bool { return true }

// Blob implements Target.
func (a *archive) Blob(_ context.Context, desc ocispec.Descriptor, r io.Reader) error {
	return a.put(blobName(desc.Digest), 0o444, desc.Size, r)
}

func blobName(dgst digest.Digest) string {
	return path.Join(blobsName, dgst.Algorithm().String(), dgst.Encoded())
}

// Finish implements Target.
func (a *archive) Finish(_ context.Context, s Summary, _ func(digest.Digest) (bool, error)) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	err = a.put(contentName+"/oci-layout", 0o644, int64(len(layoutFile)), strings.NewReader(layoutFile))
	if err == nil {
		err = a.put(summaryName, 0o600, int64(len(b)), strings.NewReader(string(b)))
	}
	if err == nil {
		err = a.tar.Close()
	}
	if err != nil || a.file == nil {
		return err
	}
	if err := errors.Join(a.file.Sync(), a.file.Close()); err != nil {
		return err
	}
	if err := os.Rename(a.file.Name(), a.name); err != nil {
		return err
	}
	a.ended = true
	return syncFolder(filepath.Dir(a.name))
}

// layoutFile makes the unpacked content an OCI image layout, and so the unpacked
// archive a backup that is a folder.
const layoutFile = `{"imageLayoutVersion":"1.0.0"}`

func syncFolder(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Close implements Target.
func (a *archive) Close() error {
	if a.file == nil || a.ended {
		return nil
	}
	err := a.file.Close()
	if errors.Is(err, fs.ErrClosed) {
		err = nil
	}
	return errors.Join(err, os.Remove(a.file.Name()))
}

// archiveReader is a tar that is read in one pass.
type archiveReader struct {
	tar  *tar.Reader
	name string
	in   io.Closer // nil: somebody else's stream
}

// FromStream reads a backup that is a tar; name is what messages call it.
func FromStream(r io.Reader, name string) Reader {
	return &archiveReader{tar: tar.NewReader(r), name: name}
}

// FromArchive opens a backup that is a tar file.
func FromArchive(name string) (Reader, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return &archiveReader{tar: tar.NewReader(f), name: name, in: f}, nil
}

func (a *archiveReader) Close() error {
	if a.in == nil {
		return nil
	}
	return a.in.Close()
}

// Database implements Reader: it is the first entry.
func (a *archiveReader) Database(_ context.Context, name string) error {
	h, err := a.tar.Next()
	if err != nil || h.Name != databaseName {
		return errdefs.Errorf(errdefs.ErrInvalid, "%s is no backup of a registry: it does not begin with %s",
			a.name, databaseName)
	}
	return a.whole(writeNew(name, a.tar))
}

// whole says of an archive that it was cut off.
func (a *archiveReader) whole(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errdefs.Errorf(errdefs.ErrCorrupt, "%s ends in its middle: copy it again from where it was made (%w)", a.name, err)
	}
	return err
}

// maxSmall bounds a file that is held in memory.
const maxSmall = 4 << 20

// Rest implements Reader.
func (a *archiveReader) Rest(
	_ context.Context, file func(File) error, blob TakeBlob,
) (Summary, error) {
	for {
		h, err := a.tar.Next()
		if errors.Is(err, io.EOF) {
			return Summary{}, incomplete(a.name)
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return Summary{}, a.whole(err)
		}
		if err != nil {
			return Summary{}, errdefs.Errorf(errdefs.ErrCorrupt, "%s: %w", a.name, err)
		}
		if hex, ok := strings.CutPrefix(h.Name, blobsName); ok {
			if err := a.blob(h, hex, blob); err != nil {
				return Summary{}, err
			}
			continue
		}
		if h.Size > maxSmall {
			return Summary{}, errdefs.Errorf(errdefs.ErrInvalid, "%s: %q is %d bytes long", a.name, h.Name, h.Size)
		}
		data, err := io.ReadAll(a.tar)
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF):
			return Summary{}, a.whole(err)
		case err != nil:
			return Summary{}, errdefs.Errorf(errdefs.ErrCorrupt, "%s: %w", a.name, err)
		case h.Name == summaryName:
			return parseSummary(data)
		case keeps(h.Name):
			err = file(File{Name: h.Name, Mode: uint32(h.Mode & 0o777), Data: data})
		}
		if err != nil {
			return Summary{}, err
		}
	}
}

// keeps says whether a name of an archive is one that a backup has: what else
// somebody put there is left alone.
func keeps(name string) bool {
	for _, top := range kept {
		if name == top || strings.HasPrefix(name, top+"/") && fs.ValidPath(name) {
			return true
		}
	}
	return false
}

func (a *archiveReader) blob(h *tar.Header, name string, blob TakeBlob) error {
	alg, hex, _ := strings.Cut(name, "/")
	desc := ocispec.Descriptor{Digest: digest.NewDigestFromEncoded(digest.Algorithm(alg), hex), Size: h.Size}
	if err := desc.Digest.Validate(); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "%s: %q: %w", a.name, h.Name, err)
	}
	return a.whole(blob(desc, content.Verify(a.tar, desc)))
}
