package tarball

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"path"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/errdefs"
	"cove/layers/compress"
)

const (
	maxEntries = 100_000
	maxInMem   = 64 << 20 // of all documents together
	maxLinks   = 8        // from one entry to another
	maxNames   = 10_000   // of all images together: each is a file, and all are given under one lock
)

// Store is what Read needs of a content store.
type Store interface {
	content.Provider
	content.Ingester
	content.Manager
}

// Reader takes an archive in.
type Reader struct {
	Store Store
	// Lease holds everything that is stored, from before it is.
	Lease content.Lease
	// Stored, if set, is told of every blob that was stored or was there.
	Stored func(ocispec.Descriptor)

	files map[string]ocispec.Descriptor // in the store, by entry name
	docs  map[string][]byte             // in memory, by entry name
	links map[string]string
	held  int64
}

// Read reads the tar stream r (uncompressed) to its end and returns the images
// in it. An archive that is malformed, or that names what it does not hold, is
// errdefs.ErrInvalid; bytes that belie their digest are errdefs.ErrCorrupt.
func (a *Reader) Read(ctx context.Context, r io.Reader) ([]Image, error) {
	a.files, a.docs, a.links = map[string]ocispec.Descriptor{}, map[string][]byte{}, map[string]string{}
	tr := tar.NewReader(r)
	for n := 0; ; n++ {
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "image archive: not a tar, or cut short: %w", err)
		}
		if n == maxEntries {
			return nil, errdefs.Errorf(errdefs.ErrExhausted, "image archive: has more than %d entries", maxEntries)
		}
		if err := a.entry(ctx, hdr, tr); err != nil {
			return nil, err
		}
	}
	return a.images(ctx)
}

func (a *Reader) entry(ctx context.Context, hdr *tar.Header, body io.Reader) error {
	name := path.Clean(hdr.Name)
	if !filepath.IsLocal(name) || strings.ContainsRune(name, 0) {
		return errdefs.Errorf(errdefs.ErrInvalid, "image archive: entry %q: leaves the archive", hdr.Name)
	}
	switch hdr.Typeflag {
	case tar.TypeDir, tar.TypeXGlobalHeader:
		return nil
	case tar.TypeSymlink:
		return a.link(hdr.Name, name, path.Join(path.Dir(name), hdr.Linkname))
	case tar.TypeLink:
		return a.link(hdr.Name, name, path.Clean(hdr.Linkname))
	case tar.TypeReg:
	default:
		return errdefs.Errorf(errdefs.ErrInvalid, "image archive: entry %q: is neither a file nor a folder", hdr.Name)
	}
	if a.known(name) {
		return errdefs.Errorf(errdefs.ErrInvalid, "image archive: entry %q: comes twice", hdr.Name)
	}
	switch base := path.Base(name); {
	case !strings.Contains(name, "/") && (strings.HasSuffix(name, ".json") || name == ocispec.ImageLayoutFile):
		return a.document(hdr, name, body)
	case base == "json" || base == "VERSION" || name == "repositories":
		return nil // of archives older than manifest.json; they repeat what it says
	}
	return a.file(ctx, name, hdr.Size, body)
}

func (a *Reader) known(name string) bool {
	_, file := a.files[name]
	_, doc := a.docs[name]
	_, link := a.links[name]
	return file || doc || link
}

func (a *Reader) link(shown, name, target string) error {
	if !filepath.IsLocal(target) || a.known(name) {
		return errdefs.Errorf(errdefs.ErrInvalid, "image archive: link %q: leaves the archive, or comes twice", shown)
	}
	a.links[name] = target
	return nil
}

func (a *Reader) document(hdr *tar.Header, name string, body io.Reader) error {
	a.held += hdr.Size
	if a.held > maxInMem {
		return errdefs.Errorf(errdefs.ErrExhausted, "image archive: entry %q: its documents exceed %d bytes", hdr.Name,
			maxInMem)
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "image archive: entry %q: %w", hdr.Name, err)
	}
	a.docs[name] = b
	return nil
}

// file stores an entry: under the digest that its name says, or else under the
// one that its bytes have.
func (a *Reader) file(ctx context.Context, name string, size int64, body io.Reader) error {
	if dgst, ok := blobDigest(name); ok {
		desc := ocispec.Descriptor{Digest: dgst, Size: size}
		if err := a.Lease.Add(ctx, dgst.String()); err != nil {
			return err
		}
		here, err := a.intact(ctx, desc)
		if err != nil {
			return err
		}
		if here {
			// An archive whose bytes are others is all the same not what it says.
			if _, err := io.Copy(io.Discard, content.Verify(body, desc)); err != nil {
				return errdefs.Errorf(errdefs.ErrCorrupt, "image archive: entry %q: %w", name, err)
			}
			return a.stored(name, desc)
		}
		if err := content.WriteBlob(ctx, a.Store, desc, body); err != nil {
			return err
		}
		return a.stored(name, desc)
	}
	packed := bufio.NewReader(body)
	if head, _ := packed.Peek(compress.HeadSize); !nameable(compress.Detect(head)) {
		plain, err := compress.NewReader(ctx, packed, compress.Limits{})
		if err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "image archive: entry %q: %w", name, err)
		}
		defer plain.Close()
		return a.unnamed(ctx, name, plain)
	}
	return a.unnamed(ctx, name, packed)
}

// nameable reports whether the image specification has a name for a layer that is
// packed so. Docker reads archives with others, too: they are stored unpacked.
func nameable(c compress.Compression) bool {
	_, err := c.MediaType()
	return err == nil
}

// unnamed stores an entry under the digest that its bytes have.
func (a *Reader) unnamed(ctx context.Context, name string, body io.Reader) error {
	var desc ocispec.Descriptor
	id := "load/" + rand.Text()
	w, err := a.Store.Begin(ctx, id)
	if err != nil {
		return err
	}
	if desc.Size, err = io.Copy(w, body); err == nil {
		desc.Digest = w.Digest()
		err = a.Lease.Add(ctx, desc.Digest.String())
	}
	if err == nil {
		err = w.Commit(ctx, desc)
	}
	if err != nil {
		err = errors.Join(err, w.Close())
		_ = a.Store.Abort(context.WithoutCancel(ctx), id) // gone already, or never to be named again
		return err
	}
	return a.stored(name, desc)
}

// intact reports whether a blob is here as its digest says. One that is damaged
// is deleted, so that the archive's takes its place.
func (a *Reader) intact(ctx context.Context, desc ocispec.Descriptor) (bool, error) {
	desc.Size = 0 // the archive's word for it
	r, err := a.Store.Open(ctx, desc)
	if err == nil {
		_, err = io.Copy(io.Discard, content.Verify(content.NewReader(r), desc))
		err = errors.Join(err, r.Close())
	}
	switch {
	case errors.Is(err, errdefs.ErrCorrupt):
		return false, a.Store.Delete(ctx, desc.Digest)
	case errors.Is(err, errdefs.ErrNotFound):
		return false, nil
	}
	return err == nil, err
}

func (a *Reader) stored(name string, desc ocispec.Descriptor) error {
	a.files[name] = desc
	if a.Stored != nil {
		a.Stored(desc)
	}
	return nil
}

// find looks an entry up, through links, and puts a document that is wanted as
// a blob into the store.
func (a *Reader) find(ctx context.Context, name string) (ocispec.Descriptor, error) {
	at := path.Clean(name)
	for range maxLinks {
		if desc, ok := a.files[at]; ok {
			return desc, nil
		}
		if doc, ok := a.docs[at]; ok {
			dgst := digest.FromBytes(doc)
			if err := a.Lease.Add(ctx, dgst.String()); err != nil {
				return ocispec.Descriptor{}, err
			}
			return content.WriteBytes(ctx, a.Store, ocispec.Descriptor{Digest: dgst}, doc)
		}
		target, ok := a.links[at]
		if !ok {
			break
		}
		at = target
	}
	return ocispec.Descriptor{}, errdefs.Errorf(errdefs.ErrInvalid, "image archive: %q is named in it and not there",
		name)
}
