package tarball

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/reference"
)

// Write writes images and those blobs to w, each blob once and verified on the
// way. Blobs are all that the images refer to.
func Write(ctx context.Context, w io.Writer, p content.Provider, images []Image, blobs []ocispec.Descriptor) error {
	out := &writer{tw: tar.NewWriter(w)}
	// What explains the rest comes first, so that a reader can stream.
	index, err := ociIndex(images)
	if err != nil {
		return err
	}
	manifest, err := dockerManifests(images)
	if err != nil {
		return err
	}
	out.file(ocispec.ImageLayoutFile, []byte(`{"imageLayoutVersion":"`+ocispec.ImageLayoutVersion+`"}`))
	out.file(ocispec.ImageIndexFile, index)
	if manifest != nil {
		out.file(manifestFile, manifest)
	}
	out.dir("blobs/")
	out.dir("blobs/sha256/")
	blobs = slices.Clone(blobs)
	slices.SortFunc(blobs, func(a, b ocispec.Descriptor) int {
		return strings.Compare(string(a.Digest),
			string(b.Digest))
	})
	for i, desc := range blobs {
		if i == 0 || desc.Digest != blobs[i-1].Digest {
			out.blob(ctx, p, desc)
		}
	}
	if out.err == nil {
		out.err = out.tw.Close()
	}
	if out.err != nil {
		return fmt.Errorf("writing image archive: %w", out.err)
	}
	return nil
}

// writer remembers its first error.
type writer struct {
	tw  *tar.Writer
	err error
}

func (o *writer) entry(hdr tar.Header, body io.Reader) {
	if o.err != nil {
		return
	}
	hdr.ModTime = time.Unix(epoch, 0)
	if o.err = o.tw.WriteHeader(&hdr); o.err == nil && body != nil {
		_, o.err = io.Copy(o.tw, body)
	}
}

func (o *writer) dir(name string) {
	o.entry(tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755}, nil)
}

func (o *writer) file(name string, body []byte) {
	o.entry(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(body))}, bytes.NewReader(body))
}

func (o *writer) blob(ctx context.Context, p content.Provider, desc ocispec.Descriptor) {
	if o.err == nil {
		o.err = ctx.Err()
	}
	if o.err != nil {
		return
	}
	r, err := p.Open(ctx, desc)
	if err != nil {
		o.err = err
		return
	}
	defer r.Close()
	o.entry(tar.Header{Typeflag: tar.TypeReg, Name: blobPath(desc.Digest), Mode: 0o644, Size: r.Size()},
		content.Verify(content.NewReader(r), desc))
}

// ociIndex lists each image once for each of its names.
func ociIndex(images []Image) ([]byte, error) {
	index := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{}}
	index.SchemaVersion = 2
	for _, img := range images {
		for _, name := range orNone(img.Names) {
			desc := img.Target
			desc.Annotations = maps.Clone(img.Annotations)
			if name != "" {
				if desc.Annotations == nil {
					desc.Annotations = map[string]string{}
				}
				// As docker's and BuildKit's archives have it: the tag alone is what OCI
				// tools ask a layout for.
				desc.Annotations[containerdName], desc.Annotations[ocispec.AnnotationRefName] = name, tagOf(name)
			}
			index.Manifests = append(index.Manifests, desc)
		}
	}
	return json.Marshal(index)
}

// tagOf is the tag of a whole name, or all of what is none.
func tagOf(name string) string {
	if ref, err := reference.Parse(name); err == nil && ref.Tag != "" {
		return ref.Tag
	}
	return name
}

func orNone(names []string) []string {
	if len(names) == 0 {
		return []string{""}
	}
	return names
}

// dockerManifests is manifest.json, nil when no image is to be in it.
func dockerManifests(images []Image) ([]byte, error) {
	var list []dockerManifest
	for _, img := range images {
		if img.Config.Digest == "" {
			continue
		}
		m := dockerManifest{Config: blobPath(img.Config.Digest)}
		for _, name := range img.Names {
			ref, err := reference.Parse(name)
			if err != nil {
				return nil, err
			}
			if ref.Tag != "" {
				// Canonical: podman takes docker's short form for localhost's.
				m.RepoTags = append(m.RepoTags, ref.WithTag(ref.Tag).String())
			}
		}
		for _, l := range img.Layers {
			m.Layers = append(m.Layers, blobPath(l.Digest))
		}
		list = append(list, m)
	}
	if len(list) == 0 {
		return nil, nil
	}
	return json.Marshal(list)
}

// Add puts an image into a list, or its names to it where it is in it already.
func Add(all []Image, one Image) []Image {
	i := slices.IndexFunc(all, func(o Image) bool { return o.Target.Digest == one.Target.Digest })
	if i < 0 {
		return append(all, one)
	}
	all[i].Names = append(all[i].Names, one.Names...)
	slices.Sort(all[i].Names)
	all[i].Names = slices.Compact(all[i].Names)
	return all
}
