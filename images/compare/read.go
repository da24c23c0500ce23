// Package compare says in which files two images differ, by reading their layers:
// nothing is unpacked, and images for other platforms can be compared as well.
//
// A stranger may have made the layers: what they size is bounded.
package compare

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"runtime"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/errdefs"
	"cove/internal/limit"
	"cove/layers"
	"cove/layers/compress"
	"cove/layers/whiteout"
)

// maxEntries is how many entries a layer may have.
const maxEntries = 2_000_000

// File is one file of an image.
type File struct {
	Mode fs.FileMode `json:"-"` // type, permissions, and the bits for setuid, setgid and sticky
	UID  int         `json:"uid"`
	GID  int         `json:"gid"`
	// Size and Digest are of a regular file's bytes, Link is where a symbolic link leads.
	Size   int64         `json:"size"`
	Digest digest.Digest `json:"digest,omitempty"`
	Link   string        `json:"link,omitempty"`
	// Device is of a device: its numbers.
	Device string `json:"device,omitempty"`
	// Attributes are the extended ones, by name; a value may be any bytes.
	Attributes map[string][]byte `json:"attributes,omitempty"`
	Modified   time.Time         `json:"modified"`
}

// MarshalJSON has the type and the mode as people write them.
func (f File) MarshalJSON() ([]byte, error) {
	type plain File
	return json.Marshal(struct {
		Type string `json:"type"`
		Mode string `json:"mode"`
		plain
	}{f.Type(), f.Permissions(), plain(f)})
}

// Files are those of an image or a layer, by path without a slash before it.
type Files map[string]File

// layer is what one layer adds, and what it takes away of those below.
type layer struct {
	files           Files
	hard            map[string]string // hard links by path, to a path
	removed, opaque map[string]bool
}

// Images reads the files of several images, each layer once. A layer that is no tar is
// errdefs.ErrCorrupt.
func Images(ctx context.Context, blobs content.Provider, images ...[]layers.Layer) ([]Files, error) {
	unique := map[digest.Digest]ocispec.Descriptor{}
	for _, all := range images {
		for _, l := range all {
			unique[l.Blob.Digest] = l.Blob
		}
	}
	read := map[digest.Digest]*layer{}
	for dgst := range unique {
		read[dgst] = &layer{
			files:   Files{},
			hard:    map[string]string{},
			removed: map[string]bool{},
			opaque:  map[string]bool{},
		}
	}
	err := limit.Each(
		ctx,
		runtime.GOMAXPROCS(0),
		maps.Values(unique),
		func(ctx context.Context, desc ocispec.Descriptor) error {
			if err := read[desc.Digest].read(ctx, blobs, desc); err != nil {
				return fmt.Errorf("layer %s: %w", desc.Digest, err)
			}
			return nil
		},
	)
	if err != nil {
		return nil, err
	}
	out := make([]Files, len(images))
	for i, all := range images {
		out[i] = Files{}
		for _, l := range all {
			out[i].apply(read[l.Blob.Digest])
		}
	}
	return out, nil
}

// apply puts a layer on the files.
func (f Files) apply(l *layer) {
	for name := range f {
		if l.hides(name) {
			delete(f, name)
		}
	}
	maps.Copy(f, l.files)
	for name := range l.hard {
		if target, ok := f[l.target(name)]; ok {
			f[name] = target
		}
	}
}

// target is the file that a hard link is one more name of.
func (l *layer) target(name string) string {
	for range l.hard {
		next, ok := l.hard[name]
		if !ok {
			break
		}
		name = next
	}
	return name
}

// hides says whether the layer takes a file of the layers below away: by name, with a
// directory that it is in, or by what stands in the place of that directory.
func (l *layer) hides(name string) bool {
	if l.removed[name] {
		return true
	}
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		if dir == "." {
			return l.opaque["."]
		}
		if l.removed[dir] || l.opaque[dir] {
			return true
		}
		if over, ok := l.files[dir]; ok && !over.Mode.IsDir() {
			return true
		}
	}
}

func (l *layer) read(ctx context.Context, blobs content.Provider, desc ocispec.Descriptor) error {
	blob, err := blobs.Open(ctx, desc)
	if err != nil {
		return err
	}
	defer blob.Close()
	unpacked, err := compress.NewReader(ctx, content.NewReader(blob), compress.Limits{})
	if err == nil {
		defer unpacked.Close()
		err = l.entries(ctx, tar.NewReader(unpacked))
	}
	if err != nil && ctx.Err() == nil && errdefs.KindOf(err) == nil {
		return errdefs.Errorf(errdefs.ErrCorrupt, "no tar that can be read: %w", err)
	}
	return err
}

func (l *layer) entries(ctx context.Context, tr *tar.Reader) error {
	for range maxEntries {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = l.entry(h, tr)
		}
		if err != nil {
			return err
		}
	}
	return errdefs.Errorf(errdefs.ErrExhausted, "it has more than %d entries", maxEntries)
}

func (l *layer) entry(h *tar.Header, body io.Reader) error {
	name := path.Clean("/" + h.Name)[1:]
	dir, base := path.Split(name)
	dir = path.Clean(dir)
	hidden, opaque, meta, err := whiteout.Parse(base)
	switch {
	case err != nil:
		return err
	case meta || name == "" || h.Typeflag == tar.TypeXGlobalHeader:
	case opaque:
		l.opaque[dir] = true
	case hidden != "":
		l.removed[path.Join(dir, hidden)] = true
	case h.Typeflag == tar.TypeLink:
		delete(l.files, name)
		l.hard[name] = path.Clean("/" + h.Linkname)[1:]
	default:
		f, err := fileOf(h, body)
		if err != nil {
			return err
		}
		delete(l.hard, name)
		l.files[name] = f
	}
	return nil
}

// xattrPrefix begins the PAX records of extended attributes.
const xattrPrefix = "SCHILY.xattr."

func fileOf(h *tar.Header, body io.Reader) (File, error) {
	f := File{Mode: h.FileInfo().Mode(), UID: h.Uid, GID: h.Gid, Modified: h.ModTime.UTC()}
	switch h.Typeflag {
	case tar.TypeReg:
		digester := digest.SHA256.Digester()
		n, err := io.Copy(digester.Hash(), body)
		if err != nil {
			return f, err
		}
		f.Size, f.Digest = n, digester.Digest()
	case tar.TypeSymlink:
		f.Link = h.Linkname
	case tar.TypeChar, tar.TypeBlock:
		f.Device = fmt.Sprintf("%d:%d", h.Devmajor, h.Devminor)
	}
	for key, value := range h.PAXRecords {
		if name, ok := strings.CutPrefix(key, xattrPrefix); ok {
			if f.Attributes == nil {
				f.Attributes = map[string][]byte{}
			}
			f.Attributes[name] = []byte(value)
		}
	}
	return f, nil
}
